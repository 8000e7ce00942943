"""The reader of four-bit files: numbers, pieces, faults; and the BERT and tokenizer that come of one."""

from __future__ import annotations

import math
import struct

import pytest
import torch
from q4_support import HEADS, HIDDEN, LAYERS, NORMALISED, PIECES, SCORES, SPARE, TinyQ4, write_tiny_q4
from tokenizers.normalizers import Precompiled
from transformers import AutoModel, AutoTokenizer

from final_project.errors import DataError
from final_project.weights.charsmap import precompiled_charsmap
from final_project.weights.e5_small import encoder_of, tokenizer_of
from final_project.weights.local_folder import Pretrained
from final_project.weights.q4_file import Q4File
from final_project.weights.writing import write_weights


@pytest.fixture
def tiny(tmp_path) -> TinyQ4:
    return write_tiny_q4(tmp_path / "tiny.bin")


@pytest.fixture
def file(tiny, tmp_path) -> Q4File:
    return Q4File(tmp_path / "tiny.bin")


def test_every_tensor_is_read_as_written_number_by_number(tiny, file):
    for name, kind, *_ in tiny.tensors:
        n_columns = 64 if name.endswith("fo.w") else HIDDEN
        read = file.rows(name, n_columns).ravel() if kind else file.vector(name)
        assert read.tolist() == pytest.approx(tiny.values[name], rel=1e-7, abs=0), name


def test_pieces_scores_and_normalisations_are_read_as_written(file):
    assert tuple(file.pieces.texts) == PIECES
    assert tuple(file.pieces.scores) == SCORES
    assert file.pieces.normalised == NORMALISED


def slow_encoder(tiny: TinyQ4, ids: list[int]) -> list[list[float]]:
    """BERT in plain Python: post-norm, exact gelu, one row of tokens of type 0. (T, H)."""
    value = tiny.values

    def norm(x: list[float], name: str) -> list[float]:
        mean = sum(x) / len(x)
        scale = 1 / math.sqrt(sum((a - mean) ** 2 for a in x) / len(x) + 1e-12)
        return [(a - mean) * scale * w + b for a, w, b in zip(x, value[f"{name}.w"], value[f"{name}.b"], strict=True)]

    def linear(x: list[float], name: str) -> list[float]:
        weight, n = value[f"{name}.w"], len(x)
        return [b + sum(weight[row * n + i] * x[i] for i in range(n)) for row, b in enumerate(value[f"{name}.b"])]

    def row(name: str, at: int) -> list[float]:
        return value[name][at * HIDDEN : (at + 1) * HIDDEN]

    def added(*parts: list[float]) -> list[float]:
        return [sum(numbers) for numbers in zip(*parts, strict=True)]

    hidden = [norm(added(row("emb.word", id_), row("emb.pos", at), row("emb.type", 0)), "emb.ln")
              for at, id_ in enumerate(ids)]  # fmt: skip
    size = HIDDEN // HEADS
    for layer in range(LAYERS):
        query, key, values = ([linear(x, f"l{layer}.{name}") for x in hidden] for name in "qkv")
        context = [[0.0] * HIDDEN for _ in ids]
        for head in range(HEADS):
            part = range(head * size, (head + 1) * size)
            for at, q in enumerate(query):
                scores = [sum(q[i] * k[i] for i in part) / math.sqrt(size) for k in key]
                total = sum(map(math.exp, scores))
                for score, v in zip(scores, values, strict=True):
                    for i in part:
                        context[at][i] += math.exp(score) / total * v[i]
        hidden = [
            norm(added(x, linear(c, f"l{layer}.ao")), f"l{layer}.aln") for x, c in zip(hidden, context, strict=True)
        ]
        inner = [[0.5 * a * (1 + math.erf(a / math.sqrt(2))) for a in linear(x, f"l{layer}.fi")] for x in hidden]
        hidden = [
            norm(added(x, linear(i, f"l{layer}.fo")), f"l{layer}.oln") for x, i in zip(hidden, inner, strict=True)
        ]
    return hidden


def test_the_bert_model_gives_the_hidden_states_of_a_slow_encoder(tiny, file):
    ids = [0, 4, 5, 10, 2, 2, 8, 3, 2]
    with torch.no_grad():
        hidden_TH = encoder_of(file).double()(input_ids=torch.tensor([ids])).last_hidden_state[0]
    torch.testing.assert_close(
        hidden_TH, torch.tensor(slow_encoder(tiny, ids), dtype=torch.float64), rtol=1e-6, atol=1e-6
    )


def test_the_written_folder_gives_the_same_answers_as_the_model_in_memory(file, tmp_path):
    model, tokenizer = encoder_of(file), tokenizer_of(file.pieces, file.sizes.positions)
    note = write_weights(tmp_path / "out", Pretrained(model, tokenizer), {})
    loaded, its_tokenizer = (auto.from_pretrained(tmp_path / "out") for auto in (AutoModel, AutoTokenizer))
    assert loaded.config.vocab_size == len(PIECES) + SPARE
    assert note["weights"] == model.num_parameters()
    inputs = its_tokenizer("怎么退货", "怎么 ab", return_tensors="pt")
    assert inputs["input_ids"][0].tolist() == tokenizer("怎么退货", "怎么 ab")["input_ids"]
    with torch.no_grad():
        assert torch.equal(model(**inputs).last_hidden_state, loaded.eval()(**inputs).last_hidden_state)


def test_pairs_have_two_ends_between_them_and_types_of_zero(file):
    encoded = tokenizer_of(file.pieces, 24)("退货", "怎么")
    assert encoded["input_ids"] == [0, 4, 10, 2, 2, 4, 5, 2]
    assert encoded["token_type_ids"] == [0] * 8


def test_texts_are_normalised_by_the_table_and_their_spaces_are_one(file):
    tokenizer = tokenizer_of(file.pieces, 24)
    assert tokenizer.tokenize("\x01ａ…\n\n  １") == ["▁", "ａ", "...", "▁", "1"]
    assert tokenizer.tokenize("a\x01ｂ") == ["▁a", "b"]
    assert tokenizer.tokenize("a <mask>")[-1].strip() == "<mask>"


def test_every_character_of_a_map_is_replaced_and_no_other(file):
    table = {"é": "e", "…": "...", "\x02": "", "㈱": "(株)", "𝐀": "A", "한": "한국", "e\u0301": "E"}
    normaliser = Precompiled(precompiled_charsmap(table))
    for character in (*table, *"abcèe.株汉𝐁각"):
        assert normaliser.normalize_str(character) == table.get(character, character)


def test_an_empty_map_changes_nothing():
    assert Precompiled(precompiled_charsmap({})).normalize_str("Ａ…b") == "Ａ…b"


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.02, 0.1, 0.5, 0.999])
def test_a_file_that_is_cut_short_is_refused_and_named(tiny, tmp_path, share):
    path = tmp_path / "short.bin"
    path.write_bytes(tiny.data[: int(len(tiny.data) * share)])
    with pytest.raises(DataError, match=r"short\.bin: "):
        Q4File(path)


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [
        (0, b"GGUF", "expected a file that begins with E5S1, found b'GGUF'"),
        (4, struct.pack("<I", 2), "expected version 1 of E5S1, found 2"),
        (8, struct.pack("<i", -32), "its sizes make no encoder"),
        (16, struct.pack("<i", 3), "its sizes make no encoder"),
        (40, struct.pack("<i", 64), "expected blocks of 32 weights, found 64"),
        (44, struct.pack("<i", 10**9), "cut short"),
        (48, struct.pack("<i", 99), "pieces with the special ones"),
    ],
)
def test_a_damaged_head_is_refused_with_what_was_expected(tiny, tmp_path, at, value, said):
    path = tmp_path / "damaged.bin"
    path.write_bytes(tiny.data[:at] + value + tiny.data[at + len(value) :])
    with pytest.raises(DataError, match=said):
        Q4File(path)


def test_a_tensor_that_is_missing_or_of_another_size_is_named(tmp_path):
    tiny = TinyQ4()
    lacking = TinyQ4()
    lacking.tensors = [entry for entry in tiny.tensors if entry[0] != "l1.k.w"]
    smaller = TinyQ4()
    smaller.tensors = [(name, kind, n - 32, data[:-18]) if name == "l1.k.w" else (name, kind, n, data)
                       for name, kind, n, data in tiny.tensors]  # fmt: skip
    for written, said in (
        (lacking, "has no tensor l1.k.w"),
        (smaller, r"encoder\.layer\.1\.attention\.self\.key\.weight"),
    ):
        (tmp_path / "odd.bin").write_bytes(written._written())
        with pytest.raises(DataError, match=said):
            encoder_of(Q4File(tmp_path / "odd.bin"))


def test_a_matrix_is_not_read_as_a_vector_nor_a_vector_as_a_matrix(file):
    with pytest.raises(DataError, match="kind"):
        file.vector("l0.q.w")
    with pytest.raises(DataError, match="kind"):
        file.rows("l0.q.b")
