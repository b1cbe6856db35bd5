"""The formula language: arithmetic, comparisons and calls over named series, as text.

It knows no function and no field: whoever evaluates a formula says which names it has. Pure standard library.
"""

from llm_plugin.formulas.errors import FormulaError
from llm_plugin.formulas.nodes import Binary, Call, Name, Node, Number, Ternary, Unary, children, depth, walk
from llm_plugin.formulas.parser import parse
from llm_plugin.formulas.printer import to_text

__all__ = [
    "Binary",
    "Call",
    "FormulaError",
    "Name",
    "Node",
    "Number",
    "Ternary",
    "Unary",
    "children",
    "depth",
    "parse",
    "to_text",
    "walk",
]
