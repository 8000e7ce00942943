"""Rows of an Excel workbook (.xlsx): those of its first sheet that holds any, as text.

openpyxl reads it; it is an extra, because only those need it who have such files. What a zip may hold is looked at
before, and formulas give the values that Excel has stored beside them.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from final_project.data.files.zips import check_entries, opened_zip
from final_project.errors import DataError, EnvironmentProblem, first_line

log = logging.getLogger(__name__)

ZIP, OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
SUFFIXES = (".xlsx", ".xlsm")
MOST_BYTES = 2 << 30  # unpacked
INSTALL = "pip install 'explained-pairs[excel]' (or pip install openpyxl), or save it as CSV in UTF-8"


def is_excel(path: Path) -> bool:
    """Whether the file is a workbook, by what it begins with; a zip may be another thing unless its name says so.

    Raises DataError at a workbook of Excel before 2007.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(OLD_EXCEL))
    except OSError:
        return False
    if head == OLD_EXCEL:
        raise DataError(path, "an Excel file of the form before 2007 (.xls): save it as .xlsx or as CSV in UTF-8")
    return head.startswith(ZIP) and path.suffix.lower() in SUFFIXES


def excel_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(row number as Excel shows it, its cells as text), rows without any left out. Rows are as wide as the first one,
    wider where a cell behind it holds something. Raises DataError, or EnvironmentProblem where openpyxl is missing."""
    try:
        import openpyxl
    except ImportError as error:
        raise EnvironmentProblem(f"{path}: reading Excel files needs openpyxl: {INSTALL}") from error
    with opened_zip(path, "not a readable Excel file") as archive:
        check_entries(path, archive, MOST_BYTES)
    width = 0
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            for number, cells in _first_sheet(path, book):
                if not width:
                    width = len(cells)
                cells += [""] * (width - len(cells))
                yield number, cells
        finally:
            book.close()
    except DataError:
        raise
    except Exception as error:  # openpyxl lets through whatever its parsers raise on a damaged file
        raise DataError(path, f"not a readable Excel file: {first_line(error)[:100]}") from error
    if not width:
        raise DataError(path, "the file holds no row")


def _first_sheet(path: Path, book: Any) -> Iterator[tuple[int, list[str]]]:
    """The rows of the first sheet that has any, without empty cells at their ends."""
    for sheet in book.worksheets:
        any_row = False
        for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
            cells = [*map(cell_text, values)]
            while cells and not cells[-1].strip():
                cells.pop()
            if cells:
                if not any_row and len(book.worksheets) > 1:
                    others = [other.title for other in book.worksheets if other is not sheet]
                    log.info("%s: read is the sheet %r, not %s", path, sheet.title, ", ".join(map(repr, others)))
                any_row = True
                yield number, cells
        if any_row:
            return


def cell_text(value: Any) -> str:
    """A cell as it would stand in a CSV: whole numbers without .0, nothing where it is empty."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ")
    return str(value)
