"""A tiny checkout in LEAN's layout, with planted offenders; every text in it is this project's own."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

GOLDEN = {"Total Orders": "1", "End Equity": "101691.92", "OrderListHash": "3da9fa60bf95b9ed148b95e02e0cfc9e"}

BUY_ONCE = """
class {name}(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.set_cash(100000)
        self.add_equity("SPY", Resolution.MINUTE)

    def on_data(self, data):
        {first}
        if not self.portfolio.invested:
            self.set_holdings("SPY", 1)
"""

TWIN = """
namespace Planted
{{
    /* class Commented : {{ braces in comments count for nothing */
    public {kind}class {name} : {bases}
    {{
        private const string Text = "a {{ brace in a string";
        public {virtual}bool CanRunLocally {{ get; }} = {local};
        public {virtual}List<Language> Languages {{ get; }} = new() {{ {languages} }};
        public {virtual}AlgorithmStatus AlgorithmStatus => AlgorithmStatus.{status};
        public {virtual}Dictionary<string, string> ExpectedStatistics => new Dictionary<string, string>
        {{
            {pairs}
        }};
    }}
}}
"""


def twin(name: str, statistics: dict[str, str], **changes: str) -> str:
    pairs = ",\n            ".join(f'{{"{key}", "{value}"}}' for key, value in statistics.items())
    values = {
        "name": name,
        "kind": "",
        "bases": "QCAlgorithm, IRegressionAlgorithmDefinition",
        "virtual": "",
        "local": "true",
        "languages": "Language.CSharp, Language.Python",
        "status": "Completed",
        "pairs": pairs,
    }
    return TWIN.format(**{**values, **changes})


class Checkout:
    """Writes algorithms and twins under a root."""

    def __init__(self, root: Path, data: Path) -> None:
        self.root = root
        self.python, self.csharp = root / "Algorithm.Python", root / "Algorithm.CSharp"
        self.python.mkdir(parents=True)
        self.csharp.mkdir()
        shutil.copytree(data / "market-hours", root / "Data" / "market-hours")
        shutil.copytree(data / "symbol-properties", root / "Data" / "symbol-properties")
        for part in ("map_files", "factor_files", "daily", "hour", "minute/spy"):
            source = data / "equity" / "usa" / part
            if source.is_dir():
                shutil.copytree(source, root / "Data" / "equity" / "usa" / part)

    def algorithm(self, name: str, source: str) -> None:
        text = "from AlgorithmImports import *\n" + textwrap.dedent(source)
        (self.python / f"{name}.py").write_text(text, encoding="utf-8")

    def buy_once(self, name: str, first: str = "pass", **changes: str) -> None:
        self.algorithm(name, BUY_ONCE.format(name=name, first=first))
        self.expect(name, GOLDEN, **changes)

    def expect(self, name: str, statistics: dict[str, str], **changes: str) -> None:
        (self.csharp / f"{name}.cs").write_text(twin(name, statistics, **changes), encoding="utf-8")
