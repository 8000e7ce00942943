"""A method sees the call that embeds the ids, whatever else a model does with its embedding module."""

import numpy as np
import pytest
import torch
from architectures import tiny_family
from tiny_models import tiny_sequence_classifier, tiny_tokenizer
from v1_support import pair, run_cli, write_pairs

from final_project.errors import ArtifactError
from similarity_v1.explain.explainer import Explainer
from similarity_v1.explain.methods import METHODS

ROW = ("怎么开通花呗", "如何关闭花呗")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer("wordpiece_lower")


def scores(explainer, row=ROW):
    (found,) = explainer.explain([row])
    return np.concatenate(found.scores), found.label


def content(tokenizer, row=ROW):
    encoding = tokenizer(*row, return_tensors="pt")
    return encoding, np.array([side is not None for side in encoding.sequence_ids(0)])


@pytest.mark.parametrize("family", ["gpt2", "openai-gpt", "ctrl", "xlm", "gptj"])
def test_token_types_looked_up_in_the_word_table_are_not_mistaken_for_words(family, tokenizer):
    model = tiny_family(family, tokenizer)
    encoding, places = content(tokenizer)
    table, ids, types = model.get_input_embeddings(), encoding["input_ids"], encoding["token_type_ids"]
    calls = []
    handle = table.register_forward_hook(lambda module, arguments, output: calls.append(arguments[0]))
    with torch.no_grad():
        model(input_ids=ids, token_type_ids=types)
    handle.remove()
    assert sum(call.equal(ids) for call in calls) == 1 and any(call.equal(types) for call in calls)

    found, label = scores(Explainer(model, tokenizer, reduce="sum"))
    embedded = table(ids).detach().requires_grad_()
    logits = model(inputs_embeds=embedded + 0, token_type_ids=types, attention_mask=encoding["attention_mask"]).logits
    (gradient,) = torch.autograd.grad(logits.log_softmax(-1)[0, label], embedded)
    wanted = (gradient * embedded).sum(-1)[0].detach().numpy()[places]
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())

    found, label = scores(Explainer(model, tokenizer, "leave_one_out"))
    for score, place in zip(found, np.flatnonzero(places), strict=True):
        other = ids.clone()
        other[0, place] = tokenizer.mask_token_id
        with torch.no_grad():
            full, left = (
                model(input_ids=i, token_type_ids=types).logits.log_softmax(-1)[0, label] for i in (ids, other)
            )
        assert score == pytest.approx(float(full - left), abs=1e-4)


def changed(tokenizer, change):
    """A BERT classifier whose encoder is called as the given function says."""
    model = tiny_sequence_classifier("bert", tokenizer)
    inner = model.bert.forward
    model.bert.forward = lambda input_ids, **others: change(inner, input_ids, others)
    return model


def twice(inner, ids, others):
    inner(ids, **others)
    return inner(ids, **others)


def turned_round(inner, ids, others):
    return inner(ids.flip(1), **others)


def read_again(inner, ids, others):
    output = inner(ids, **others)
    output.pooler_output = output.pooler_output + ids.float().mean(dim=1, keepdim=True) / 10
    return output


def by_chance(inner, ids, others):
    output = inner(ids, **others)
    output.pooler_output = output.pooler_output + torch.rand_like(output.pooler_output)
    return output


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (twice, "gives the ids of a text 2 times to its embedding block"),
        (turned_round, "no module of it embeds the ids of a text"),
        (read_again, "the ids of a text reach its answer past"),
        (by_chance, "its answer to the same text differs from one time to the next"),
    ],
)
@pytest.mark.parametrize("method", ["gradient_x_input", "leave_one_out"])
def test_a_model_that_breaks_the_assumption_is_refused(change, reason, method, tokenizer):
    with pytest.raises(ArtifactError, match=reason) as error:
        Explainer(changed(tokenizer, change), tokenizer, method)
    assert "\n" not in str(error.value)


@pytest.mark.stage
@pytest.mark.parametrize("family", ["bart", "mt5", "plbart", "t5"])
@pytest.mark.parametrize("method", METHODS)
def test_a_decoder_that_reads_the_ids_again_is_refused_by_every_method(family, method, tokenizer):
    with pytest.raises(ArtifactError, match="reach its answer past"):
        Explainer(tiny_family(family, tokenizer), tokenizer, method)


def test_a_block_that_mixes_neighbours_gives_way_to_the_word_table(tokenizer):
    model = tiny_family("mobilebert", tokenizer)
    assert Explainer(model, tokenizer).reading.block is model.get_input_embeddings()


@pytest.mark.parametrize("command", ["explain", "extract", "serve"])
def test_every_command_refuses_in_one_message(command, tokenizer, tmp_path, capsys):
    tiny_family("bart", tokenizer, num_labels=3).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    pairs = write_pairs(tmp_path / "pairs.jsonl", [pair(1, *ROW)])
    options = {
        "explain": ROW,
        "extract": ("--pairs", pairs, "--output", tmp_path / "out.txt"),
        "serve": ("--port", 0),
    }[command]
    status, out, err = run_cli(capsys, command, "--model", tmp_path / "model", *options)
    assert status == 2 and "Traceback" not in err and "reach its answer past" in err and not out.strip()
    assert not (tmp_path / "out.txt").exists()
