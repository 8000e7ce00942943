"""Pages for people: the report of a run and one explained pair, each a single file without network references."""

from similarity_v1.report.write import write_explanation, write_report

__all__ = ["write_explanation", "write_report"]
