"""Figures of series of returns by empyrical-reloaded, with scipy where that has none.

Reads a JSON list of {"returns": [...], "benchmark": [...], "periods": N, "trials": [...]} from stdin and writes a list of figures to stdout; what is not a finite number is null.
"""

import json
import math
import sys
import types

# empyrical imports what fetches prices from the internet, which nothing here does: these stand in its place.
for name in ["yfinance", "pandas_datareader"]:
    sys.modules[name] = types.ModuleType(name)
sys.modules["pandas_datareader"].data = None

import numpy as np

# What it calls by a name that numpy no longer has.
np.NINF, np.PINF = -np.inf, np.inf

import empyrical
import pandas as pd
from scipy import stats


def longest_drawdown(returns):
    wealth = pd.concat([pd.Series([1.0]), (1 + returns).cumprod()], ignore_index=True)
    below = (wealth < wealth.cummax()).astype(int)
    return int(below.groupby((below == 0).cumsum()).sum().max())


def deflated_sharpe(returns, trials):
    """Bailey and Lopez de Prado 2014, equations 1 and 2, straight from the paper."""
    sharpe = returns.mean() / returns.std(ddof=1)
    n, euler = len(trials), 0.5772156649015329
    luck = 0.0
    if n > 1:
        quantiles = (1 - euler) * stats.norm.ppf(1 - 1 / n) + euler * stats.norm.ppf(1 - 1 / (n * math.e))
        luck = np.std(trials, ddof=1) * quantiles
    skew, kurtosis = stats.skew(returns), stats.kurtosis(returns, fisher=False)
    spread = math.sqrt(1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2)
    return stats.norm.cdf((sharpe - luck) * math.sqrt(len(returns) - 1) / spread)


def figures(case):
    returns, benchmark = pd.Series(case["returns"]), pd.Series(case["benchmark"])
    year = {"annualization": case["periods"]}
    return {
        "total_return": empyrical.cum_returns_final(returns),
        "annual_return": empyrical.annual_return(returns, **year),
        "annual_volatility": empyrical.annual_volatility(returns, **year),
        "sharpe": empyrical.sharpe_ratio(returns, **year),
        "sortino": empyrical.sortino_ratio(returns, **year),
        "calmar": empyrical.calmar_ratio(returns, **year),
        "omega": empyrical.omega_ratio(returns, **year),
        "max_drawdown": empyrical.max_drawdown(returns),
        "longest_drawdown": longest_drawdown(returns),
        "tail_ratio": empyrical.tail_ratio(returns),
        "value_at_risk": empyrical.value_at_risk(returns),
        "expected_shortfall": empyrical.conditional_value_at_risk(returns),
        "skew": stats.skew(returns),
        "kurtosis": stats.kurtosis(returns, fisher=False),
        "alpha": empyrical.alpha(returns, benchmark, **year),
        "beta": empyrical.beta(returns, benchmark),
        "information_ratio": empyrical.excess_sharpe(returns, benchmark),
        "deflated_sharpe": deflated_sharpe(returns, case["trials"]),
    }


def plain(value):
    value = float(value)
    return value if math.isfinite(value) else None


cases = json.load(sys.stdin)
json.dump([{name: plain(value) for name, value in figures(case).items()} for case in cases], sys.stdout)
