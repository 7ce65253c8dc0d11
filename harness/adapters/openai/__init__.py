"""Models behind OpenAI's chat completions."""

from harness.adapters.openai.adapter import OpenAIAdapter
from harness.adapters.openai.budget import Budget, BudgetSpent
from harness.adapters.openai.calls import ApiSettings

__all__ = ["ApiSettings", "Budget", "BudgetSpent", "OpenAIAdapter"]
