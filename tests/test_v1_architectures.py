"""The table of docs/CLASSIFIERS.md is true: a few families always, all of transformers in the thorough tier."""

import pytest
from architecture_sweep import DOCUMENT, row_of_table, table_in
from architectures import FAMILIES

pytestmark = [pytest.mark.stage, pytest.mark.usefixtures("one_thread")]

FEW = ("bert", "gpt2", "llama", "albert", "bart", "longformer", "xlnet", "mobilebert", "mixtral")


@pytest.fixture(scope="module")
def table():
    return table_in(DOCUMENT.read_text(encoding="utf-8"))


def test_the_table_has_a_line_for_every_family(table):
    assert list(table) == list(FAMILIES)


@pytest.mark.parametrize("family", FEW)
def test_the_table_is_true_of_a_few_families(family, table):
    assert row_of_table(family) == table[family]


@pytest.mark.thorough
@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in FEW])
def test_every_family_is_explained_rightly_or_refused_in_a_sentence(family, table):
    assert row_of_table(family) == table[family]
