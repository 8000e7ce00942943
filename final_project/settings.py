"""Every setting of a recipe: its type, default, range, unit and meaning, said once.

`--help` of a stage, the checks on a recipe and the manifests all read these classes.
A recipe is one YAML file that holds only what differs from these defaults.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


def setting(
    default: Any, meaning: str, unit: str = "", outcome: bool | Literal["rounding"] = True, **bounds: Any
) -> Any:
    """A recipe field with its meaning and unit; `bounds` are pydantic's (ge, le, gt, lt).

    outcome: False where what the stage writes does not depend on it, so that a change does not start it afresh;
    "rounding" where it does so by rounding alone, so that a half-done stage may go on under another value.
    """
    return Field(default, description=meaning, json_schema_extra={"unit": unit, "outcome": outcome}, **bounds)


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def conflicts(self) -> Iterator[str]:
        """Settings that do not go together, one message each."""
        yield from ()

    @model_validator(mode="after")
    def settings_go_together(self):
        if conflicts := list(self.conflicts()):
            raise ValueError("\n".join(conflicts))
        return self

    def outcome(self, up_to_rounding: bool = False) -> dict[str, Any]:
        """The settings on which what the stage writes depends, as JSON values."""
        values, without = self.model_dump(mode="json"), (False, "rounding") if up_to_rounding else (False,)
        extras = {name: field.json_schema_extra["outcome"] for name, field in type(self).model_fields.items()}
        return {name: values[name] for name, outcome in extras.items() if outcome not in without}


Precision = Literal["auto", "fp32", "bf16", "fp16"]
Schedule = Literal["linear", "cosine", "constant"]
Policy = Literal["keep", "report", "drop"]  # keep: not even looked for
CleaningStep = Literal["nfkc", "tags", "entities", "control", "space", "half_width", "simplified"]


class Prepare(Section):
    """Which pairs to read, clean and split, and which rows to explain."""

    corpus: str = setting("demo", "name of a registered corpus, or demo for the built-in pairs")
    data_dir: str = setting("data", "folder that holds the raw corpora", "path")
    train_file: str = setting("", "own training pairs instead of the corpus's; empty = the corpus's", "path")
    dev_file: str = setting("", "own development pairs; empty = the corpus's", "path")
    test_file: str = setting("", "own test pairs, with or without labels; empty = the corpus's", "path")
    explain_file: str = setting("", "contest JSONL with the rows to explain; empty = the test pairs", "path")
    contest_set: Literal["", "A", "B"] = setting("", "contest set to explain, found below data_dir")
    demo_pairs: int = setting(8000, "size of the built-in training split", "pairs", ge=100, le=1_000_000)
    demo_seed: int = setting(2022, "seed of the built-in generator", ge=0)
    dev_share: float = setting(0.0, "share of the training pairs held out as dev; 0 = the dev file", ge=0, le=0.5)
    test_share: float = setting(0.0, "share of the training pairs held out as test; 0 = the test file", ge=0, le=0.5)
    split_seed: int = setting(2022, "seed of what is held out; pairs that share a sentence stay together", ge=0)
    clean: list[CleaningStep] = setting([], "cleaning steps; none reproduces the original's bytes", "names")
    duplicates: Policy = setting("report", "repeated training pairs, either order, by normal form and label")
    contradictions: Policy = setting("report", "training pairs that occur with both labels")
    leaks: Policy = setting("report", "training pairs that occur in a set that will be scored")
    near_duplicates: float = setting(0.0, "Jaccard similarity from which pairs count as repeated; 0 = off", ge=0, lt=1)
    text_corpora: list[str] = setting([], "corpora that join the post-training text; all = every one at hand", "names")
    text_parts: Literal["merged", "all"] = setting("merged", "their files: those of the published collection, or all")
    text_duplicates: Policy = setting("report", "repeated pairs in the post-training text, whatever their label")
    text_leaks: Policy = setting("drop", "pairs in that text that share a sentence with a set that will be scored")
    keep_out: list[str] = setting([], "more that is scored: A, B (contest sets), corpora (dev, test), files", "names")
    augment: bool = setting(False, "transitive augmentation of the training pairs that holds each label ratio")

    def conflicts(self) -> Iterator[str]:
        if 0 < self.near_duplicates < 0.5:
            yield f"near_duplicates {self.near_duplicates}: 0 (off), or 0.5 and more; less is not alike"
        if self.dev_share + self.test_share > 0.5:
            yield f"dev_share {self.dev_share} and test_share {self.test_share} leave less than half to train on"


class Encoder(Section):
    """Where the encoder starts: a folder, a hub name, or random weights of a given size."""

    init: str = setting("scratch", "scratch, a transformers folder, or a hub name")
    allow_download: bool = setting(False, "let transformers fetch a hub name over the network")
    n_layers: int = setting(4, "transformer layers (scratch only)", "layers", ge=1, le=96)
    hidden_size: int = setting(256, "width of the hidden states (scratch only)", "units", ge=8, le=8192)
    n_heads: int = setting(4, "attention heads (scratch only)", "heads", ge=1, le=128)
    intermediate_size: int = setting(1024, "width of the feed-forward layer (scratch only)", "units", ge=8)
    max_positions: int = setting(128, "longest sequence the positions reach (scratch only)", "tokens", ge=16)
    dropout: float = setting(0.1, "dropout of hidden states and attention (scratch only)", "share", ge=0, lt=1)
    start: Literal["bert", "matching"] = setting(
        "bert", "random weights as BERT has them, or drawn so that equal characters attend to each other (scratch only)"
    )
    vocab_size: int = setting(8000, "largest vocabulary built from the text (scratch only)", "tokens", ge=64)
    vocab_words: int = setting(0, "frequent words (jieba) among that vocabulary (scratch only)", "words", ge=0)
    extend_vocab: int = setting(
        0, "frequent characters and words, unknown to a given tokenizer, that it is taught", "tokens", ge=0
    )

    def conflicts(self) -> Iterator[str]:
        if self.hidden_size % self.n_heads:
            yield f"hidden_size {self.hidden_size} is not a multiple of n_heads {self.n_heads}"
        if self.init == "scratch" and self.extend_vocab:
            yield "extend_vocab is for a given tokenizer; init is scratch: use vocab_size and vocab_words"
        if self.init != "scratch" and self.vocab_words:
            yield f"vocab_words is for init scratch; init is {self.init}: use extend_vocab"
        if self.vocab_words > self.vocab_size // 2:
            yield f"vocab_words {self.vocab_words} leaves less than half of vocab_size {self.vocab_size}"


class Training(Section):
    """What both training stages share. A step is one optimizer update over all devices."""

    engine: Literal["torch", "fsdp2", "fairscale", "deepspeed"] = setting(
        "torch", "torch (single process or DDP), fsdp2, fairscale or deepspeed", outcome="rounding"
    )
    zero_stage: Literal[None, 0, 1, 2, 3] = setting(None, "DeepSpeed ZeRO stage; null = 1", outcome="rounding")
    offload_optimizer: bool = setting(False, "keep DeepSpeed's optimizer in CPU memory (ZeRO 1-3)", outcome="rounding")
    activation_checkpointing: bool = setting(
        False, "compute activations again in the backward pass, to save memory", outcome="rounding"
    )
    epochs: int = setting(3, "passes over the training rows", "epochs", ge=0, le=1000)
    lr: float = setting(5e-4, "peak learning rate", "per update", gt=0, le=1)
    schedule: Schedule = setting("linear", "course of the learning rate after the warm-up")
    warmup_frac: float = setting(0.06, "share of the updates that warm up", "share", ge=0, le=1)
    weight_decay: float = setting(0.01, "decay of weight matrices; biases and LayerNorm have none", ge=0, le=1)
    adam_eps: float = setting(1e-6, "Adam's epsilon; BERT's, since 1e-8 lets rounding noise steer", gt=0)
    step_rows: int = setting(64, "rows of one optimizer step, over all devices and accumulation", "rows", ge=1)
    micro_rows: int = setting(64, "most rows in one forward on one device", "rows", ge=1)
    micro_tokens: int = setting(
        0, "most tokens in one forward on one device, padding included; 0 = micro_rows decides", "tokens", ge=0
    )
    max_length: int = setting(64, "longest sequence, special tokens included", "tokens", ge=8, le=8192)
    max_grad_norm: float = setting(1.0, "gradients are clipped to this norm; 0 = no clipping", ge=0)
    precision: Precision = setting("auto", "arithmetic of the forward; auto = bf16 where the device has it, else fp32")
    checkpoint_every: int = setting(200, "updates between checkpoints", "updates", outcome=False, ge=1)
    keep_checkpoints: int = setting(2, "newest checkpoints that are kept, beside the best", outcome=False, ge=1)
    max_bad_steps: int = setting(5, "updates in a row without a finite gradient that end the run", outcome=False, ge=1)
    log_every: int = setting(20, "updates between log lines", "updates", outcome=False, ge=1)
    prefetch: Literal["auto", "always", "never"] = setting(
        "auto", "build the next batches in a thread while a step runs; auto = on CUDA devices", outcome=False
    )
    wandb: str = setting("", "Weights & Biases project that takes the figures too; empty = none", outcome=False)

    def conflicts(self) -> Iterator[str]:
        if self.step_rows % self.micro_rows:
            yield f"step_rows {self.step_rows} is not a multiple of micro_rows {self.micro_rows}"
        if 0 < self.micro_tokens < self.max_length:
            yield f"micro_tokens {self.micro_tokens} has no room for a row of max_length {self.max_length}"
        if self.engine != "deepspeed":
            if self.zero_stage is not None:
                yield f"zero_stage {self.zero_stage} is DeepSpeed's; engine {self.engine} has no ZeRO stages"
            if self.offload_optimizer:
                yield f"offload_optimizer is DeepSpeed's; engine {self.engine} has no offload"
        elif self.offload_optimizer and self.zero_stage == 0:
            yield "offload_optimizer needs zero_stage 1, 2 or 3; stage 0 keeps the optimizer whole"


class Posttrain(Training):
    """Masked-LM training on in-domain text."""

    text_form: Literal["pair", "sentence"] = setting("pair", "one row = both sentences of a pair, or one")
    batch_form: Literal["rows", "packed"] = setting(
        "rows", "rows of one length beside each other, or any rows packed into lines without padding"
    )
    pack_length: int = setting(128, "length of a line into which rows are packed", "tokens", ge=8, le=65536)
    mask_unit: Literal["token", "word"] = setting("token", "what is masked together: a token, or a whole word (jieba)")
    mask_prob: float = setting(0.15, "share of the tokens to predict", "share", gt=0, lt=1)
    held_out_rows: int = setting(256, "rows kept aside to measure the loss on", "rows", ge=1)
    export: Literal["last", "best"] = setting(
        "last", "weights that are exported: the last, or the lowest held-out loss"
    )

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        if self.batch_form == "packed":
            if self.pack_length < self.max_length:
                yield (
                    f"a row of max_length {self.max_length} does not fit into a line of pack_length {self.pack_length}"
                )
            if 0 < self.micro_tokens < self.pack_length:
                yield f"micro_tokens {self.micro_tokens} has no room for a line of pack_length {self.pack_length}"


class SimilarityV0(Training):
    """Fine-tuning of the pair classifier."""

    init: str = setting("", "transformers folder to start from; empty = what posttrain exported", "path")
    max_train_pairs: int = setting(0, "use only the first N pairs after a seeded shuffle; 0 = all", "pairs", ge=0)
    eval_every: int = setting(0, "updates between evaluations on dev; 0 = once an epoch", "updates", ge=0)
    best_by: Literal["accuracy", "f1", "loss"] = setting("accuracy", "dev metric that picks the checkpoint")
    threshold: Literal["sweep", "margin"] = setting("sweep", "sweep P(1) on dev, or a fixed margin on the logits")
    logit_margin: float = setting(0.94, "label 1 iff z1 - z0 exceeds this (threshold: margin)", "logits")
    fgm_eps: float = setting(0.0, "radius of the adversarial step on the word embeddings; 0 = off", ge=0)
    fgm_direction: Literal["micro_batch", "accumulated"] = setting(
        "micro_batch", "gradient that points the attack: this micro-batch's, or what accumulation has left"
    )
    ema_decay: float = setting(0.0, "decay of the averaged weights that are evaluated; 0 = off", ge=0, lt=1)


class SimilarityV1(Section):
    """Rationales: attribution, selection, refinement, submission, report."""

    method: Literal["gradient_x_input", "integrated_gradients"] = setting("gradient_x_input", "how words are scored")
    ig_steps: int = setting(1, "points on the path of integrated gradients", "steps", ge=1, le=1000)
    ratio: float = setting(0.705, "share of the words chosen in each sentence", "share", gt=0, le=1)
    chain: Literal["original", "clean"] = setting("original", "which refined file is handed in")
    batch_tokens: int = setting(8192, "most tokens, padding included, in one attribution batch", "tokens", ge=64)
    report_pairs: int = setting(30, "explained pairs shown in the report", "pairs", ge=0)

    def conflicts(self) -> Iterator[str]:
        if self.method == "gradient_x_input" and self.ig_steps != 1:
            yield f"gradient_x_input has one step, found ig_steps {self.ig_steps}: use integrated_gradients"


class Recipe(Section):
    """One experiment: all stages."""

    name: str = setting("", "name of the run; the recipe file's own name")
    runs_dir: str = setting("runs", "folder that takes the runs", "path")
    nproc: int = setting(1, "processes on this machine, one a device", "processes", ge=1, le=1024)
    seed: int = setting(111, "seed of shuffling, masking, dropout and initial weights", ge=0)
    patience_s: int = setting(1800, "longest wait for a silent or missing process before giving up", "seconds", ge=5)
    prepare: Prepare = Prepare()
    encoder: Encoder = Encoder()
    posttrain: Posttrain = Posttrain()
    similarity_v0: SimilarityV0 = SimilarityV0()
    similarity_v1: SimilarityV1 = SimilarityV1()

    def conflicts(self) -> Iterator[str]:
        if self.encoder.init == "scratch":
            for stage in ("posttrain", "similarity_v0"):
                length = getattr(self, stage).max_length
                if length > self.encoder.max_positions:
                    yield f"{stage}.max_length {length} exceeds encoder.max_positions {self.encoder.max_positions}"
