"""The account: cash, positions, currency conversion, valuation."""
