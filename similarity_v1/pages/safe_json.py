"""JSON that is safe inside a <script> element: nothing in it can end the element or begin a comment."""

from __future__ import annotations

import json
import re
from typing import Any

# < begins </script> and <!--, > ends -->, & would be an entity in XHTML, U+2028 and U+2029 end lines of JavaScript,
# and a lone surrogate, which JSON can spell and UTF-8 cannot, would not survive the file.
UNSAFE = re.compile("[<>&\u2028\u2029\ud800-\udfff]")


def safe_json(value: Any) -> str:
    """One line of JSON, equal to json.dumps for every JSON parser. Raises ValueError on NaN and infinity."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
