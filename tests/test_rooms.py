"""Which room may import which: the table of docs/ARCHITECTURE.md."""

from __future__ import annotations

import re

from conftest import ROOT
from test_house import imported_by, modules

EVERYWHERE = tuple(
    f"final_project.{name}"
    for name in (
        *("errors", "artifacts", "strict_json", "places", "option_checks", "method_options", "chunks"),
        *("settings", "recipe", "data.texts"),
    )
)
CORE = ("final_project.",)
RECORDS, FILES = "final_project.data.records", "final_project.data.files"
ALLOWED: dict[str, tuple[str, ...]] = {
    "final_project/parallel": (),
    "final_project/text": (),
    "final_project/tokens": (),
    "final_project/model": ("final_project.tokens",),
    "final_project/weights": (
        "final_project.data.files", "final_project.model", "final_project.tokens",
    ),
    "final_project/run": ("final_project.parallel", "final_project.model.start_folder"),
    "final_project/data/quality": (RECORDS,),
    "final_project/data/files": (RECORDS, "final_project.data.quality"),
    "final_project/data/demo": (RECORDS,),
    "final_project/data/corpora": (RECORDS, FILES),
    "final_project/data/implied_pairs.py": (RECORDS, FILES),
    "final_project/data/download": ("final_project.run.progress", "final_project.data.files.zips"),
    "final_project/training": (
        "final_project.tokens", "final_project.model", "final_project.parallel", "final_project.run",
    ),
    "final_project/prepare": ("final_project.data", "final_project.run", "final_project.text"),
    "posttrain": CORE,
    "similarity_v0/decision": CORE,
    "similarity_v0/sweep": CORE,
    "similarity_v0/tricks": (*CORE, "similarity_v0.model", "similarity_v0.losses"),
    "similarity_v0/export": (*CORE, "similarity_v0.model", "similarity_v0.losses"),
    "similarity_v0/folds": (
        *CORE, "similarity_v0.decision", "similarity_v0.export.model_card", "similarity_v0.model",
        "similarity_v0.probabilities", "similarity_v0.training_run",
    ),
    "similarity_v1/rationales": CORE,
    "similarity_v1/explain": (*CORE, "similarity_v1.rationales.selection"),
    "similarity_v1/extract": (*CORE, "similarity_v1.explain", "similarity_v1.rationales"),
    "similarity_v1/evaluate": (*CORE, "similarity_v1.explain", "similarity_v1.rationales"),
    "similarity_v1/pages": (),
    "similarity_v1/report": (
        *CORE, "similarity_v1.evaluate", "similarity_v1.explain", "similarity_v1.pages", "similarity_v1.rationales",
    ),
    "similarity_v1/serve": (*CORE, "similarity_v1.explain", "similarity_v1.pages", "similarity_v1.rationales"),
}  # fmt: skip


def test_a_room_imports_only_what_the_table_lists():
    offences, checked = [], set()
    for path in modules():
        place = path.relative_to(ROOT).as_posix()
        room = max((name for name in ALLOWED if f"{place}/".startswith(f"{name}/")), key=len, default=None)
        if room is None:
            continue
        checked.add(room)
        own = room.removesuffix(".py").replace("/", ".")
        for name in sorted(imported_by(path)):
            is_ours = re.match(r"(final_project|posttrain|similarity_v0|similarity_v1)\.", name)
            if is_ours and not any(f"{name}.".startswith(fine) for fine in (own, *EVERYWHERE, *ALLOWED[room])):
                offences.append(f"{place} imports {name}")
    assert offences == []
    assert checked == ALLOWED.keys(), "a room of the table is gone"
