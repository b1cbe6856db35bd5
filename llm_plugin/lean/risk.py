"""`LLMRiskManagementModel`: sizes the targets of adjusted decisions and carries out their exit plans.

Equal weighting ignores an insight's weight and confidence, so `adjust` acts here: the target is scaled. A decision
whose exit plan says stop, target or timeout is closed here too, and its insights are cancelled: the portfolio model
would open the position again.
"""

from __future__ import annotations

from typing import Any

from llm_plugin.lean.alpha import LLMValidatedAlphaModel
from llm_plugin.lean.compat import each, lean_api, security_id
from llm_plugin.lean.desk import Desk
from llm_plugin.lean.rounding import to_lot

__all__ = ["LLMRiskManagementModel"]


class LLMRiskManagementModel:
    """Belongs to a wrapped alpha model; other risk models may stand before or after it.

        alpha = LLMValidatedAlphaModel(EmaCrossAlphaModel(), config="llm_config.yaml")
        self.add_alpha(alpha)
        self.add_risk_management(LLMRiskManagementModel(alpha))

    Args:
        alpha: The wrapped alpha model whose decisions are carried out.
        enforce_exit_plan: False leaves exits to insights and other risk models; the plan then only sets 1 R.
    """

    def __init__(self, alpha: LLMValidatedAlphaModel, *, enforce_exit_plan: bool = True) -> None:
        self.alpha = alpha
        self.enforce_exit_plan = enforce_exit_plan
        self.name = "LLMRiskManagement"

    def manage_risk(self, algorithm: Any, targets: Any) -> list[Any]:
        """Return the targets that differ: 0 where an exit plan is due, smaller where a decision is adjusted."""
        desk = self.alpha.attach(algorithm)
        overrides: dict[str, Any] = {}
        for target in each(targets):
            scaled = self._scaled(desk, target)
            if scaled is not None:
                overrides[security_id(target.symbol)] = scaled
        if self.enforce_exit_plan:
            overrides.update(self._due(desk))
        return list(overrides.values())

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Nothing to do: the alpha model follows the securities."""

    ManageRisk = manage_risk
    OnSecuritiesChanged = on_securities_changed

    def _scaled(self, desk: Desk, target: Any) -> Any:
        quantity = float(target.quantity)
        if quantity == 0:
            return None
        multiplier = self.alpha.multiplier(security_id(target.symbol), 1 if quantity > 0 else -1)
        if multiplier == 1.0:
            return None
        lot = float(desk.algorithm.securities[target.symbol].symbol_properties.lot_size)
        return lean_api().PortfolioTarget(target.symbol, to_lot(quantity, multiplier, lot))

    def _due(self, desk: Desk) -> dict[str, Any]:
        due = {}
        for symbol_id, book in desk.ledger.books.items():
            if not book.lots:
                continue
            reason = desk.ledger.exit_due(symbol_id)
            if reason is None or self.alpha.turned(symbol_id, book.lots[0].side):
                continue
            symbol = desk.hub.feeds[symbol_id].symbol
            desk.algorithm.insights.cancel([symbol])
            for lot in book.lots:
                desk.ledger.forced[str(lot.decision_id)] = reason
            due[symbol_id] = lean_api().PortfolioTarget(symbol, 0)
        return due
