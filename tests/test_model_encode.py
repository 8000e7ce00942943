"""Rows are cut as the tokenizers library cuts them, in time and memory that grow with their length."""

import resource

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import TOKENIZERS, tiny_tokenizer
from tokenizers import processors

from final_project.model.model_inputs import ModelInputs
from final_project.tokens import encode as module
from final_project.tokens.encode import encode_rows, kept_tokens
from final_project.tokens.token_table import tokenised
from similarity_v1.evaluate.faithfulness import Judge
from similarity_v1.explain.encoding import encode

TEXT = st.text(st.sampled_from("怎么开通花呗ab cdé １ＡＢ\u0301ﷺ\u200d👍\u3000[CLS]How"), max_size=24)
CLS, SEP = ("[CLS]", 2), ("[SEP]", 3)
TEMPLATES = {
    "own": None,
    "bert": processors.BertProcessing(SEP, CLS),
    "roberta": processors.RobertaProcessing(SEP, CLS, trim_offsets=True, add_prefix_space=True),
    "double_sep": processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing(
                single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] [SEP] $B [SEP]", special_tokens=[CLS, SEP]
            ),
        ]
    ),
}


def facts(row):
    tokens = row.tokens
    of_tokens = (tokens.ids, tokens.type_ids, tokens.tokens, tokens.offsets, tokens.sequence_ids, tokens.word_ids)
    masks = (tokens.attention_mask, tokens.special_tokens_mask)
    return row.input_ids, row.token_type_ids, row.columns["attention_mask"], row.is_cut, *of_tokens, *masks


@pytest.mark.stage
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("kind", TOKENIZERS)
def test_rows_cut_here_are_those_that_the_library_cuts(kind, template, side, monkeypatch):
    tokenizer = tiny_tokenizer(kind)
    tokenizer.add_tokens(["花呗"])
    tokenizer.truncation_side = side
    if TEMPLATES[template] is not None:
        tokenizer.backend_tokenizer.post_processor = TEMPLATES[template]

    @given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4), st.integers(5, 20), st.booleans())
    @settings(max_examples=25, deadline=None)
    def holds(rows, limit, single):
        rows = [row[:1] for row in rows] if single else rows
        monkeypatch.setattr(module, "LONG_BYTES", 10**9)
        by_the_library = encode_rows(tokenizer, rows, limit)
        monkeypatch.setattr(module, "LONG_BYTES", -1)
        state = tokenizer.backend_tokenizer.to_str()
        assert list(map(facts, encode_rows(tokenizer, rows, limit))) == list(map(facts, by_the_library))
        assert tokenizer.backend_tokenizer.to_str() == state, "what is saved with the model does not change"

    holds()


def test_special_tokens_written_in_a_text_are_read_as_the_tokenizer_reads_them(monkeypatch):
    for as_text in (False, True):
        tokenizer = tiny_tokenizer("wordpiece_lower", ["怎么[SEP]"])
        tokenizer.split_special_tokens = as_text
        found = []
        for bound in (10**9, -1):
            monkeypatch.setattr(module, "LONG_BYTES", bound)
            found.append(facts(encode_rows(tokenizer, [("怎么[SEP]怎么", "怎[CLS]")], 9)[0]))
        assert found[0] == found[1]


def test_long_and_short_rows_keep_their_places():
    tokenizer = tiny_tokenizer("wordpiece_lower")
    rows = [("怎么" * n, "开通花" * m) for n, m in ((1, 1), (200, 1), (2, 2), (1, 200), (300, 300), (3, 1))]
    together = encode_rows(tokenizer, rows, 16)
    assert list(map(facts, together)) == [facts(encode_rows(tokenizer, [row], 16)[0]) for row in rows]
    assert [row.is_cut for row in together] == [False, True, False, True, True, False]
    assert encode_rows(tokenizer, [], 16) == []


@pytest.mark.parametrize(
    "lengths, room, kept",
    [
        ((3, 4), 7, [3, 4]),
        ((3, 9), 7, [3, 4]),
        ((9, 3), 7, [4, 3]),
        ((9, 9), 7, [3, 4]),
        ((10, 9), 7, [4, 3]),
        ((9, 100), 7, [3, 4]),
        ((0, 9), 7, [0, 7]),
        ((9,), 7, [7]),
        ((9, 9), 0, [0, 0]),
    ],
)
def test_the_longer_text_loses_first(lengths, room, kept):
    assert kept_tokens(lengths, room) == kept


@pytest.mark.stage
def test_forty_pairs_of_two_thousand_characters_take_no_memory_to_speak_of():
    """The library alone takes 5 GB for them."""
    tokenizer = tiny_tokenizer("wordpiece_lower")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = encode_rows(tokenizer, [("怎么开通花" * 400, "如何开通花" * 400)] * 40, 64)
    assert all(len(row) == 64 and row.is_cut and not row.tokens.overflowing for row in rows)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 100  # MiB


@pytest.mark.stage
def test_tables_explanations_and_judges_read_long_pairs_alike():
    """A pair of 100,000 characters is cut to the same tokens everywhere, within a bounded part of memory."""
    tokenizer = tiny_tokenizer("byte_bpe")
    pair = ("怎么开通花呗" * 8_000, "How do I open it " * 3_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wanted = encode_rows(tokenizer, [pair], 32)[0].input_ids
    table, n_cut = tokenised([(*pair, 1)], tokenizer, 32)
    words = tuple((text,) for text in pair)
    (row,) = encode(tokenizer, 32, [pair], [words], ["input_ids", "attention_mask"])
    assert table.ids.tolist() == wanted == row.arrays["input_ids"] and n_cut == 1 and row.truncated

    asked = []

    class Reader:
        device = "cpu"

        def __call__(self, **inputs):
            asked.extend(inputs["input_ids"].tolist())
            raise StopIteration

    judge = Judge(Reader(), tokenizer)
    judge.__dict__["limit"] = 32
    judge.__dict__["inputs"] = ModelInputs(
        ("input_ids", "token_type_ids", "attention_mask"), tokenizer.pad_token_id, False
    )
    with pytest.raises(StopIteration):
        judge.probabilities([pair])
    assert asked == [wanted]
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 600  # MiB
