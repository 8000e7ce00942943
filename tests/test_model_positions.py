"""The longest row that a model can read, measured on the model."""

import pytest
import torch
from tiny_models import tiny_classifier, tiny_masked_lm, tiny_tokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification

from final_project.model.folder import MOST_TOKENS, longest_input
from final_project.model.positions import n_positions
from similarity_v0.api import PairClassifier
from similarity_v1.evaluate.faithfulness import Judge
from similarity_v1.explain.explainer import Explainer

pytestmark = pytest.mark.usefixtures("one_thread")
ENCODER = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SEQ2SEQ = {f"{side}_{what}": 2 for side in ("encoder", "decoder") for what in ("layers", "attention_heads")}
SEQ2SEQ |= {"d_model": 16, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
GPT = {"n_embd": 16, "n_layer": 2, "n_head": 2}
# model -> (sizes, padding token, tokens that 40 positions leave for a row)
COUNTED = {
    "bert": (ENCODER, 0, 40),
    "mpnet": (ENCODER, 0, 38),  # its table's padding index is 1 whatever its padding token is
    "roberta": (ENCODER, 0, 39),
    "xlm-roberta": (ENCODER, 4, 35),
    "data2vec-text": (ENCODER, 4, 35),
    "esm": (ENCODER, 1, 38),
    "longformer": (ENCODER | {"attention_window": 8}, 1, 38),
    "markuplm": (ENCODER, 1, 38),
    "bart": (SEQ2SEQ, 1, 40),
    "gpt2": (GPT, 0, 40),
}


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer("wordpiece_lower", model_max_length=100_000)


def built(kind, sizes, pad, tokenizer, **changes):
    special = {"bos_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.sep_token_id, "pad_token_id": pad}
    positions = {} if kind == "xlnet" else {"max_position_embeddings": 40}
    config = AutoConfig.for_model(
        kind, vocab_size=len(tokenizer), num_labels=2, **{**sizes, **special, **positions, **changes}
    )
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(config).eval()


def reads(model, tokenizer, n_tokens):
    ids = torch.full((1, n_tokens), tokenizer.convert_tokens_to_ids("开"))
    ids[0, 0], ids[0, -1] = tokenizer.cls_token_id, tokenizer.sep_token_id
    try:
        with torch.no_grad():
            return bool(model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.isfinite().all())
    except (IndexError, RuntimeError):
        return False


@pytest.mark.parametrize("kind", COUNTED)
def test_the_limit_is_the_longest_row_that_the_model_reads(kind, tokenizer):
    sizes, pad, wanted = COUNTED[kind]
    model = built(kind, sizes, pad, tokenizer)
    assert longest_input(model, tokenizer) == n_positions(model, tokenizer) == wanted
    assert reads(model, tokenizer, wanted) and not reads(model, tokenizer, wanted + 1)


@pytest.mark.stage
@pytest.mark.parametrize("kind", ["mpnet", "roberta", "markuplm", "bert"])
def test_long_pairs_are_cut_to_it_everywhere(kind, tokenizer, tmp_path):
    sizes, pad, wanted = COUNTED[kind]
    folder = tmp_path / kind
    built(kind, sizes, pad, tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    long = [("怎么开通花呗" * 20, "如何关闭花呗" * 20), ("开", "关")]
    explainer = Explainer.from_folder(folder)
    found = explainer.explain(long)
    assert explainer.limit == wanted and [row.truncated for row in found] == [True, False]
    for answer in (Judge.from_folder(folder).probabilities(long), PairClassifier.load(folder).predict(long)[0]):
        assert len(answer) == 2


def test_relative_positions_set_no_limit_and_a_tokenizer_without_one_is_no_overflow(tokenizer, tmp_path):
    model = built("xlnet", {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32}, 0, tokenizer)
    endless = tiny_tokenizer("wordpiece_lower", model_max_length=int(1e30))
    assert n_positions(model, endless) is None and longest_input(model, endless) == MOST_TOKENS
    (found,) = Explainer(model, endless).explain([("开" * 200, "关" * 200)])
    assert not found.truncated


def test_the_buckets_of_relative_positions_are_no_table_of_positions(tokenizer):
    config = AutoConfig.for_model("umt5", vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=2,
                                  num_heads=2, num_labels=2, pad_token_id=0, eos_token_id=3)  # fmt: skip
    assert n_positions(AutoModelForSequenceClassification.from_config(config).eval(), tokenizer) is None


def test_a_masked_language_model_is_measured_alike(tokenizer):
    model = tiny_masked_lm(vocab_size=len(tokenizer))
    assert longest_input(model.train(), tokenizer) == 32 and model.training


def test_the_tokenizers_limit_holds_where_it_is_lower(tokenizer):
    model = tiny_classifier(vocab_size=len(tokenizer))
    assert longest_input(model, tiny_tokenizer("wordpiece_lower", model_max_length=20)) == 20


def test_where_a_model_cannot_be_asked_the_names_of_its_parts_count(tokenizer):
    sizes, pad, wanted = COUNTED["mpnet"]
    model = built("mpnet", sizes, pad, tokenizer)
    model.forward = lambda *given, **named: 1 / 0
    assert n_positions(model, tokenizer) == wanted
