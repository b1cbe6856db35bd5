"""Candidates that attack the judge: each with what would be an escape."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from sandbox_attempts import ATTEMPTS

from llm_plugin.strategies.judge import Verdict

__all__ = ["HONEST", "HOST_ATTEMPTS", "VERDICT_ATTACKS", "Attack", "host_source", "strategy"]

# Further reaches for the host, in the form of `sandbox_attempts`: what a body returns is what it got hold of.
HOST_ATTEMPTS = {
    **{name: body for name, body in ATTEMPTS.items() if "PROJECT" not in body},
    "folder of other candidates": "import os; return os.listdir(os.path.dirname(os.path.dirname(__file__)))",
    "write into its own folder": (
        "import os; open(os.path.dirname(__file__) + '/planted.py', 'w').write('x'); return 'written'"
    ),
    "write over itself": "open(__file__, 'w').write('x'); return 'written'",
    "descriptors of the nursery": (
        "import os\nfor n in range(3, 64):\n    try: os.set_blocking(n, False); os.read(n, 1)\n"
        "    except OSError: pass\n    else: return n\nraise OSError('none')"
    ),
    "memory of the nursery": (
        "import ctypes, os\nb = ctypes.create_string_buffer(8)\n"
        "class V(ctypes.Structure): _fields_ = [('b', ctypes.c_void_p), ('n', ctypes.c_size_t)]\n"
        "l, r = V(ctypes.addressof(b), 8), V(id(os), 8)\n"
        "n = ctypes.CDLL(None).process_vm_readv(os.getppid(), ctypes.byref(l), 1, ctypes.byref(r), 1, 0)\n"
        "if n < 0: raise OSError()\nreturn b.raw"
    ),
    "signal to the nursery": "import os, signal; os.kill(os.getppid(), signal.SIGKILL); return 'killed'",
    "signal to a thread of the nursery": (
        "import ctypes, os\nif ctypes.CDLL(None).syscall(234, os.getppid(), os.getppid(), 9) != 0: raise OSError()\n"
        "return 'killed'"
    ),
    "log of the nursery": "return open(HOME + '/../nursery.log').read()",
    "device": "return open('/dev/mem', 'rb').read(1)",
    "pty": "import os; return os.openpty()",
    "message queue": (
        "import ctypes\nq = ctypes.CDLL(None).msgget(1, 0o1666)\nif q < 0: raise OSError()\nreturn q"
    ),
    "memory file that runs": (
        "import ctypes\nf = ctypes.CDLL(None).memfd_create(b'x', 0)\nif f < 0: raise OSError()\nreturn f"
    ),
    "keyring": "import ctypes\nif ctypes.CDLL(None).syscall(250, 0, -3, 1) < 0: raise OSError()\nreturn 'key'",
    "audit hook switched off": (
        "import gc\nfor o in gc.get_objects():\n    if type(o).__name__ == 'Guard': o.is_watching = False\n"
        "return open('/etc/passwd').read()"
    ),
    "executable page then file": (
        "import mmap\nm = mmap.mmap(-1, 4096, prot=7); m.write(b'x')\nreturn open(HOME + '/.ssh/id_rsa').read()"
    ),
}  # fmt: skip

_HEAD = """
from AlgorithmImports import *
{top}

class Candidate(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2014, 1, 2)
        self.set_end_date(2014, 3, 31)
        self.set_cash(100000)
        self.spy = self.add_equity('SPY', Resolution.DAILY).symbol
        self.days = 0
{initialize}

    def on_data(self, data):
        self.days += 1
{on_data}
{more}
"""

_HONEST_LINES = """
if self.days % 10 == 1: self.market_on_open_order(self.spy, 100)
if self.days % 10 == 6: self.market_on_open_order(self.spy, -100)
"""


def strategy(initialize: str = "", on_data: str = _HONEST_LINES, top: str = "", more: str = "") -> str:
    """Return a candidate: a fixed schedule of orders, unless other lines are given."""
    parts = {"initialize": initialize, "on_data": on_data}
    shifted = {name: textwrap.indent(textwrap.dedent(text).strip("\n"), " " * 8) for name, text in parts.items()}
    return _HEAD.format(top=textwrap.dedent(top), more=textwrap.indent(textwrap.dedent(more), " " * 4), **shifted)


HONEST = strategy()


def host_source(home: str, outside: str, data: str, port: int) -> str:
    """Return a candidate that tries every reach for the host at its end and tells which of them got something."""
    functions, names = [], []
    for number, (name, body) in enumerate(HOST_ATTEMPTS.items()):
        functions.append(f"def attempt_{number}():\n" + textwrap.indent(body, "    "))
        names.append(f"    {name!r}: attempt_{number},")
    places = f"HOME, OUTSIDE, DATA, PORT = {home!r}, {outside!r}, {data!r}, {port}\n"
    raiser = "def raise_(error):\n    raise error\n"
    top = places + raiser + "\n\n".join(functions) + "\nATTEMPTS = {\n" + "\n".join(names) + "\n}"
    more = """
def on_end_of_algorithm(self):
    got = []
    for name, attempt in ATTEMPTS.items():
        try:
            attempt()
        except RuntimeError:
            got.append(name)
        except BaseException:
            pass
        else:
            got.append(name)
    raise ValueError(f'TRIED {len(ATTEMPTS)} GOT {got}')
"""
    return strategy(top=top, more=more)


@dataclass(frozen=True)
class Attack:
    """A candidate and what its verdict must not be.

    Attributes:
        source: The candidate.
        escaped: Whether a verdict means that it got away; the second argument is the verdict of `HONEST`.
        ends: False for one that would go on for ever: it is judged with short limits.
    """

    source: str
    escaped: Callable[[Verdict, Verdict], bool]
    ends: bool = True


def _other_account(verdict: Verdict, honest: Verdict) -> bool:
    """A forged account: passing with other figures than the same orders have."""
    return verdict.reached >= 2 and dict(verdict.statistics) != dict(honest.statistics)


def _runs(verdict: Verdict, honest: Verdict) -> bool:
    return verdict.reached >= 2


def _trades(verdict: Verdict, honest: Verdict) -> bool:
    return verdict.reached >= 3


def _is_honest(verdict: Verdict, honest: Verdict) -> bool:
    return verdict.reached >= 5 or verdict.gate("honest").passed is not False


def _excused(verdict: Verdict, honest: Verdict) -> bool:
    return bool(verdict.unsupported) or verdict.reached >= 2


_MODULE = "import sys\nM = lambda name: sys.modules['llm_plugin.engine.' + name]\n"
_CHANNEL = """
import os, json
def tell(line):
    for number in range(3, 64):
        try: os.write(number, (line if isinstance(line, bytes) else line.encode()) + b'\\n')
        except OSError: pass
"""
_ORDER = (
    '{"k": "order", "t": 1391115600000000, "n": -1, "z": false, "id": 1, "s": "SPY R735QTJ8XC9X", "y": 4, "q": "%s", '
    '"p": {}, "tag": "", "f": "GoodTilCanceled", "c": "OrderProperties", "o": {}, "a": false, "g": null}'
)
_ADD = (
    '{"k": "add", "t": 0, "s": "SPY R735QTJ8XC9X", "ticker": "%s", "y": 1, "m": "usa", "r": 4, "ff": true, "x": false, '
    '"norm": 1, "lev": 2.0}'
)
_END = '{"k": "end", "kind": "", "message": "", "member": "", "bars": 60}'
_PEEKING = """
up = FUTURE(self)
if up is None: return
if up and not self.portfolio[self.spy].invested: self.market_on_open_order(self.spy, 100)
if not up and self.portfolio[self.spy].invested: self.market_on_open_order(self.spy, -100)
"""
_ROWS = """
import zipfile
def rows(folder):
    with zipfile.ZipFile(folder + '/equity/usa/daily/spy.zip') as archive:
        lines = archive.read(archive.namelist()[0]).decode().splitlines()
    return [(line[:8], float(line.split(',')[4])) for line in lines]
def next_is_up(found, day):
    later = [close for name, close in found if name > day]
    known = [close for name, close in found if name <= day]
    return later[0] > known[-1] if later and known else None
"""


def _patched(lines: str) -> Attack:
    return Attack(strategy(initialize=lines, top=_MODULE), _other_account)


def _told(*lines: str, escaped: Callable[[Verdict, Verdict], bool] = _runs, then: str = "os._exit(0)") -> Attack:
    return Attack(
        strategy(initialize="\n".join(f"tell({line!r})" for line in lines) + f"\n{then}", top=_CHANNEL), escaped
    )


def _peek(future: str, top: str = _ROWS) -> Attack:
    return Attack(strategy(on_data=_PEEKING, top=top + textwrap.dedent(future)), _is_honest)


VERDICT_ATTACKS: dict[str, Attack] = {
    # The engine of its own process.
    "fill prices rewritten": _patched(
        "f = M('models.equity_fills').EquityFillModel.market_on_open_fill\n"
        "def fake(model, *a, **k):\n    event = f(model, *a, **k); event.fill_price = 1; return event\n"
        "M('models.equity_fills').EquityFillModel.market_on_open_fill = fake\n"
    ),
    "fees removed": _patched(
        "fees = M('models.fees'); fees.InteractiveBrokersFeeModel.get_order_fee = fees.FeeModel.get_order_fee"
    ),
    "statistics rewritten": _patched(
        "real = M('runner').current_statistics\n"
        "def fake(*a):\n    found = real(*a); found.summary['Sharpe Ratio'] = '99'; return found\n"
        "M('runner').current_statistics = fake"
    ),
    "portfolio value rewritten": _patched(
        "from decimal import Decimal\n"
        "M('portfolio.portfolio').SecurityPortfolioManager.exact_total = property(lambda s: Decimal(10**9))"
    ),
    "result object rewritten": _patched(
        "fake = type('R', (), {'bars': 10**6, 'statistics': {'Sharpe Ratio': '99'}})\n"
        "M('runner')._Run.result = lambda self, *a: fake()"
    ),
    "cash added on the way": Attack(
        strategy(on_data=_HONEST_LINES + "self.portfolio.cash_book['USD'].add_amount(10**6)"), _other_account
    ),
    "holdings rewritten": Attack(
        strategy(on_data=_HONEST_LINES + "self.portfolio[self.spy].set_holdings(1, 10**6)"), _other_account
    ),
    "its own fill model": Attack(
        strategy(
            "self.securities[self.spy].set_fill_model(Cheap())",
            top="class Cheap(EquityFillModel):\n    def market_on_open_fill(self, asset, order):\n"
            "        event = super().market_on_open_fill(asset, order); event.fill_price = 1; return event\n",
        ),
        _other_account,
    ),
    "its own fee model that pays": Attack(
        strategy(
            "self.securities[self.spy].set_fee_model(Pays())",
            top="class Pays(FeeModel):\n    def get_order_fee(self, parameters):\n"
            "        return OrderFee(CashAmount(-10**6, 'USD'))\n",
        ),
        _other_account,
    ),
    "a negative fee in the engine's model": Attack(
        strategy(
            "model = ConstantFeeModel(1); model._fee = Decimal(-10**6); self.securities[self.spy].set_fee_model(model)"
        ),
        _other_account,
    ),
    "benchmark that raises": Attack(
        strategy("self.set_benchmark(lambda time: 1 / 0)"),
        lambda verdict, honest: (
            verdict.reached >= 2 and verdict.statistics["End Equity"] != honest.statistics["End Equity"]
        ),
    ),
    # The channel.
    "forged verdict": _told('{"verdict": {"gates": [], "orders": 99}}', '{"event": "ended", "code": 0, "size": 0}'),
    "forged statistics": _told('{"k": "statistics", "Sharpe Ratio": "99"}', _END),
    "forged fill": _told('{"k": "fill", "id": 1, "price": 1}', _END),
    "forged end": _told(_END, escaped=_trades),
    "forged end, then its own": Attack(strategy(f"tell({_END!r})", top=_CHANNEL), _runs),
    "settings twice": Attack(
        strategy(more='def on_end_of_algorithm(self): tell(\'{"k": "world"}\')', top=_CHANNEL), _runs
    ),
    "order before the settings": _told(_ORDER % "100", _END),
    "order back in time": Attack(
        strategy(more=f"def on_end_of_algorithm(self): tell({_ORDER % '100'!r})", top=_CHANNEL), _runs
    ),
    "order of no number": Attack(
        strategy(more=f"def on_end_of_algorithm(self): tell({_ORDER % 'NaN'!r})", top=_CHANNEL), _runs
    ),
    "order without end": Attack(
        strategy(more=f"def on_end_of_algorithm(self): tell({_ORDER % ('9' * 59)!r})", top=_CHANNEL), _runs
    ),
    "a path as a ticker": Attack(strategy(f"tell({_ADD % '../../../../etc/passwd'!r})", top=_CHANNEL), _other_account),
    "another company's identity": Attack(strategy(f"tell({_ADD % 'IBM'!r})", top=_CHANNEL), _other_account),
    "deep nesting": Attack(strategy("tell('[' * 200000)", top=_CHANNEL), _runs),
    "no text": Attack(strategy("tell(bytes(range(128, 256)) * 100)", top=_CHANNEL), _runs),
    "huge number": Attack(strategy("tell('{\"k\": \"end\", \"bars\": ' + '9' * 10000 + '}')", top=_CHANNEL), _runs),
    "endless output": Attack(
        strategy("while True: tell('x' * 65536)", top=_CHANNEL.replace("3, 64", "3, 5")), _runs, ends=False
    ),
    "endless printing": Attack(
        strategy("for n in range(20000): print('x' * 10000)\nraise ValueError('printed')"), _runs
    ),
    "endless orders": Attack(
        strategy(on_data="for n in range(4000): self.limit_order(self.spy, 1, 1)"),
        lambda verdict, honest: verdict.orders > 20_000,
        ends=False,
    ),
    "recorder silenced": Attack(
        strategy(
            "sys.modules['llm_plugin.strategies.judge.recorder'].Recorder.tell = lambda *a, **k: None", top="import sys"
        ),
        _runs,
    ),
    "json replaced": Attack(
        strategy('sys.modules[\'json\'].dumps = lambda value: \'{"k": "verdict", "reached": 5}\'', top="import sys"),
        _runs,
    ),
    "modules emptied": Attack(strategy("sys.modules.clear()", top="import sys"), _other_account),
    "an excuse that does not hold": Attack(
        strategy("raise M('base.names').MissingMember('QCAlgorithm.add_' + 'option')", top=_MODULE), _excused
    ),
    "a member that LEAN lacks": Attack(strategy("self.make_me_rich()"), _excused),
    # Its end.
    "leaves early": Attack(strategy("import os; os._exit(0)"), _runs),
    "kills itself": Attack(strategy("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), _runs),
    "crashes": Attack(strategy("import ctypes; ctypes.string_at(0)"), _runs),
    "closes its channel": Attack(strategy("import os; os.closerange(0, 64)"), _runs),
    "never ends": Attack(strategy("while True: pass"), _runs, ends=False),
    "never ends and hears nothing": Attack(
        strategy(
            "import signal\nfor n in range(1, 64):\n    try: signal.signal(n, signal.SIG_IGN)\n"
            "    except (OSError, ValueError): pass\n"
            "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
        ),
        _runs,
        ends=False,
    ),
    "sleeps": Attack(strategy("import time; time.sleep(3600)"), _runs, ends=False),
    "one huge power": Attack(strategy("7 ** (7 ** 9)"), _runs, ends=False),
    "memory": Attack(strategy("kept = []\nwhile True: kept.append(bytearray(10**8))"), _runs, ends=False),
    "zip bomb": Attack(
        strategy(
            "import zlib\npacked = zlib.compress(bytes(10**8), 9)\nkept = []\n"
            "while True: kept.append(zlib.decompress(packed))"
        ),
        _runs,
        ends=False,
    ),
    "fork bomb": Attack(strategy("import os\nwhile True: os.fork()"), _runs),
    "thread bomb": Attack(
        strategy("import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()"), _runs
    ),
    "full disk": Attack(
        strategy("import os\nfor n in range(10**4): open(os.environ['HOME'] + f'/{n}', 'wb').write(bytes(10**6))"),
        _runs,
    ),
    "thread that lives on": Attack(
        strategy(
            more="def on_end_of_algorithm(self):\n    import threading, time\n"
            '    threading.Thread(target=lambda: [tell(\'{"k": "verdict"}\') for _ in range(3)]).run()',
            top=_CHANNEL,
        ),
        _runs,
    ),
    # The future.
    "peeks into the file": _peek(
        "def FUTURE(self): return next_is_up(rows(Globals.data_folder), f'{self.time:%Y%m%d}')"
    ),
    "peeks in the engine's name": _peek(
        "text = 'def FUTURE(self): return next_is_up(rows(folder), f\"{self.time:%Y%m%d}\")'\n"
        "def FUTURE(self):\n    space = {**globals(), 'folder': Globals.data_folder}\n"
        "    exec(compile(text, '/x/llm_plugin/engine/data/lean_data.py', 'exec'), space); return space['FUTURE'](self)"
    ),
    "peeks by the engine's reader": _peek(
        "def FUTURE(self):\n"
        "    c = M('data.lean_data').read_columns(self._engine.data_folder, SecurityType.EQUITY, 'usa', 'SPY',"
        " Resolution.DAILY, TickType.TRADE)\n"
        "    later = c.floats('close')[c.end_us > self._engine.clock.utc_us]\n"
        "    known = c.floats('close')[c.end_us <= self._engine.clock.utc_us]\n"
        "    return bool(later[0] > known[-1]) if len(later) else None",
        top=_MODULE,
    ),
    "peeks into the loaded stream": _peek(
        "def FUTURE(self):\n    import numpy as np, gc\n    found = None\n"
        "    now = self._engine.clock.utc_us\n"
        "    for o in gc.get_objects():\n"
        "        if type(o).__name__ == 'BarColumns' and len(o) > 300 and o.end_us[-1] > 0:\n"
        "            close = o.floats('close'); later = close[o.end_us > now]; known = close[o.end_us <= now]\n"
        "            if len(later) and len(known): found = bool(later[0] > known[-1]); break\n"
        "    return found",
        top=_MODULE,
    ),
    "peeks into the loader's cache": _peek(
        "def FUTURE(self):\n    d = M('data.lean_data')\n"
        "    folder = self._engine.data_folder\n"
        "    p = d.bar_file(folder, SecurityType.EQUITY, 'usa', 'SPY', Resolution.DAILY, TickType.TRADE)\n"
        "    t = d._cached_table(p).values\n    day = int(f'{self.time:%Y%m%d}') * 10000\n"
        "    later = t[t[:, 0] > day][:, 4]; known = t[t[:, 0] <= day][:, 4]\n"
        "    return bool(later[0] > known[-1]) if len(later) else None",
        top=_MODULE,
    ),
    "peeks only where much future is left": _peek(
        "def FUTURE(self):\n    found = rows(Globals.data_folder); day = f'{self.time:%Y%m%d}'\n"
        "    left = sum(1 for name, _ in found if name > day)\n"
        "    return next_is_up(found, day) if left > 3 else self.days % 2 == 0"
    ),
    "peeks into dividends to come": _peek(
        "def FUTURE(self):\n"
        "    text = open(Globals.data_folder + '/equity/usa/factor_files/spy.csv').read().split()\n"
        "    day = f'{self.time:%Y%m%d}'\n    later = [line.split(',') for line in text if line[:8] > day]\n"
        "    return float(later[0][3]) > 184 if later and float(later[0][3]) else None",
    ),
}
