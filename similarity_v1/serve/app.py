"""The application: a page, a JSON interface with its schema, a health check.

    GET  /                the page (HEAD is answered wherever GET is)
    POST /api/explain     {"text_a": ..., "text_b": ...} -> label, probability, words with their scores
    GET  /openapi.json    the schema
    GET  /health          {"status": "ok", ...}

Every refusal is {"error": reason}: 400, 415 and 422 for what is asked, 408, 413 and 429 for how, 503 while too many
wait.
"""

# No `from __future__ import annotations` here: FastAPI reads the types, also of what is made inside a function.
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from final_project.data.texts import why_no_text
from final_project.errors import ProjectError
from similarity_v1.explain.explainer import RowError
from similarity_v1.explain.explanation import Explanation
from similarity_v1.explain.terminal import explanation_json, require_number_of_texts
from similarity_v1.rationales.selection import Selection
from similarity_v1.serve.gates import BodyGate, HeadGate, HostGate, RateGate, RootGate, SafeHeaders, refusal
from similarity_v1.serve.limits import Limits
from similarity_v1.serve.page import page
from similarity_v1.serve.waiting_line import LineIsFull, Stopping, WaitingLine

log = logging.getLogger(__name__)

Explain = Callable[[Sequence[tuple[str, ...]]], Sequence[Explanation]]
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


class Word(BaseModel):
    """rank: 1 for the most important of the chosen words, null where the word was not chosen. read: false where the
    model did not read the word, mostly because the text is too long. blank: whether white space follows the word."""

    model_config = ConfigDict(allow_inf_nan=False)
    text: str
    score: float
    rank: int | None
    read: bool
    blank: bool


class Answer(BaseModel):
    """label: the decided class, null where the model gives scores instead: then score is the one that is explained,
    label_name its name, and outputs are the scores of all outputs. probabilities: of all classes.
    threshold: label 1 where P(1) is at least this, null where the most probable class is the label.
    texts: the words of each text with their scores; truncated: whether the model could not read all of them."""

    model_config = ConfigDict(allow_inf_nan=False)
    label: int | None
    label_name: str
    probability: float | None
    probabilities: list[float]
    score: float | None
    outputs: list[float]
    threshold: float | None
    method: str
    texts: list[list[Word]]
    truncated: bool


class Refusal(BaseModel):
    error: str


class Health(BaseModel):
    status: str
    model: str
    method: str
    waiting: int


@dataclass(frozen=True)
class Served:
    """explain: rows of texts -> explanations. threshold: on P(1), None where the arg max decides. selection: which
    words are called chosen. texts: how many the model reads, 1 or 2; either where None and no threshold is known."""

    explain: Explain
    model_name: str
    method: str
    threshold: float | None
    selection: Selection
    texts: int | None = None

    @property
    def n_texts(self) -> int | None:
        """A threshold on P(1) is that of a pair classifier."""
        return 2 if self.texts is None and self.threshold is not None else self.texts


def create_app(served: Served, hosts: Sequence[str], limits: Limits, root_path: str = "") -> FastAPI:
    """hosts: the names under which the server answers, see HostGate. root_path: the path under which a proxy shows it,
    such as /pairs, see RootGate."""
    line = WaitingLine(served.explain, limits.queue, limits.batch)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        line.start()
        yield
        await line.stop()

    html, policy = page(served.model_name, served.method, served.threshold, limits, served.n_texts)
    app = FastAPI(
        title="explained pairs",
        summary="Labels of sentence pairs, and the words that decided them",
        docs_url=None,  # both pages would be loaded from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        middleware=[
            Middleware(SafeHeaders, headers=HEADERS),
            Middleware(HeadGate),
            Middleware(HostGate, names=frozenset(hosts)),
            Middleware(RootGate, root_path=root_path),
            Middleware(RateGate, limits=limits, free=frozenset({"/health"})),
            Middleware(BodyGate, limits=limits),
        ],
    )
    app.state.limits = limits
    _add_refusals(app)
    Text = Annotated[str, Field(min_length=1, max_length=limits.max_chars), AfterValidator(_text)]

    class Question(BaseModel):
        """text_b is left out for a classifier of single texts, and there alone."""

        model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"text_a": "…", "text_b": "…"}]})
        text_a: Text
        text_b: Text | None = None

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def show_page() -> Response:
        return HTMLResponse(html, headers={"Content-Security-Policy": policy})

    @app.get("/health")
    async def health() -> Health:
        return Health(status="ok", model=served.model_name, method=served.method, waiting=line.n_waiting)

    refusals: dict[int | str, dict[str, Any]] = {
        status: {"model": Refusal} for status in (400, 408, 413, 415, 422, 429, 503)
    }

    @app.post("/api/explain", responses=refusals)
    async def explain_texts(question: Question) -> Answer:
        texts = (question.text_a,) if question.text_b is None else (question.text_a, question.text_b)
        require_number_of_texts(texts, served.n_texts, "text_b")
        return Answer(**explanation_json(await line.answer(texts), served.selection))

    return app


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("the text is blank")
    if fault := why_no_text(text):
        raise ValueError(f"the text {fault}")
    return text


def _add_refusals(app: FastAPI) -> None:
    """Turn every failure into {"error": reason}; the request's texts are never sent back."""

    @app.exception_handler(RequestValidationError)
    async def wrong_question(request: Request, error: RequestValidationError) -> Response:
        if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
            return refusal(415, "expected JSON, sent as Content-Type: application/json")
        problems = error.errors()
        if any(problem["type"] == "json_invalid" for problem in problems):
            return refusal(400, "the body is not JSON")
        reasons = (
            f"{'.'.join(map(str, p['loc'][1:])) or 'body'}: {p['msg'].removeprefix('Value error, ')}" for p in problems
        )
        return refusal(422, "; ".join(reasons)[:500])

    @app.exception_handler(HTTPException)
    async def not_here(request: Request, error: HTTPException) -> Response:
        return refusal(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(LineIsFull)
    async def too_many(request: Request, error: LineIsFull) -> Response:
        return refusal(503, "too many requests wait for the model: try again in a second", {"Retry-After": "1"})

    @app.exception_handler(Stopping)
    async def stopping(request: Request, error: Stopping) -> Response:
        return refusal(503, "the server is stopping")

    @app.exception_handler(ProjectError)
    async def cannot_explain(request: Request, error: ProjectError) -> Response:
        if isinstance(error, RowError):  # the number of the row in its batch says nothing to who asked
            if error.__cause__ is not None:
                log.error("serve: the model fails on a text", exc_info=error)
            return refusal(422, error.what[:500])
        return refusal(422, str(error)[:500])

    @app.exception_handler(Exception)
    async def defect(request: Request, error: Exception) -> Response:
        log.error("serve: a request failed", exc_info=error)
        return refusal(500, "the request failed; the server's log says why")
