"""Which attention trains: plain products in bfloat16 on a CPU, torch's fused one elsewhere; both give the same."""

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from final_project.model.attention_backend import choose_attention_backend
from final_project.tokens.packing import block_mask

CPU = torch.device("cpu")


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return BertForSequenceClassification(config)


def attention_of(model):
    return model.config._attn_implementation, model.bert.config._attn_implementation


def test_only_bfloat16_on_a_cpu_trains_with_plain_products(classifier):
    for precision, device, expected in (
        ("bf16", CPU, "eager"),
        ("fp32", CPU, "sdpa"),
        ("bf16", torch.device("cuda"), "sdpa"),
    ):
        choose_attention_backend(torch.nn.ModuleList([classifier]), precision, device)
        assert attention_of(classifier) == (expected, expected)


@pytest.mark.parametrize("form", ["padded", "packed"])
def test_both_attentions_give_the_same_logits_and_gradients(classifier, form):
    ids_BT = torch.randint(5, 60, (3, 12), generator=torch.Generator().manual_seed(1))
    if form == "padded":
        mask = torch.ones(3, 12, dtype=torch.long)
        mask[1, 7:] = 0
        named = {"attention_mask": mask}
    else:
        rows_BT = torch.tensor([[1] * 5 + [2] * 7, [1] * 9 + [2] * 3, [1] * 12])
        named = {"attention_mask": block_mask(rows_BT, torch.float32)}
    found = {}
    for precision in ("fp32", "bf16"):
        choose_attention_backend(classifier, precision, CPU)
        classifier.zero_grad()
        logits = classifier(ids_BT, **named).logits
        logits.square().sum().backward()
        found[attention_of(classifier)[0]] = (logits.detach(), classifier.get_input_embeddings().weight.grad.clone())
    for fused, plain in zip(found["sdpa"], found["eager"], strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-5, atol=1e-6)


def test_a_saved_folder_says_nothing_of_it(classifier, tmp_path):
    choose_attention_backend(classifier, "bf16", CPU)
    classifier.save_pretrained(tmp_path)
    assert "attn" not in (tmp_path / "config.json").read_text()
    assert attention_of(BertForSequenceClassification.from_pretrained(tmp_path)) == ("sdpa", "sdpa")
