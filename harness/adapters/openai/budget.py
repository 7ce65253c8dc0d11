"""What a command may spend at APIs."""

from __future__ import annotations

import threading

from harness.errors import HarnessError

__all__ = ["Budget", "BudgetSpent", "Reservation"]


class BudgetSpent(HarnessError):
    """The spending limit is reached. What was paid for is stored."""


class Budget:
    """What a command may spend and has spent, in the currency of the entries' prices; several threads share it."""

    def __init__(self, limit: float | None = None) -> None:
        self.limit = limit
        self.spent = 0.0
        self.reserved = 0.0
        """What requests that are under way can cost together."""
        self._lock = threading.Lock()

    def reserve(self, cost: float) -> None:
        """Sets aside the most that a request can cost. Raises `BudgetSpent` when that could pass the limit."""
        with self._lock:
            if self.limit is not None and self.spent + self.reserved + cost > self.limit:
                raise BudgetSpent(
                    f"--cost_limit {self.limit:g}: {self.spent:.4f} spent, and the next request could cost {cost:.4f}; "
                    "what was paid for is stored, and the same command with a higher limit resumes"
                )
            self.reserved += cost

    def settle(self, reserved: float, cost: float) -> None:
        """A reserved request is over and cost so much."""
        with self._lock:
            left = self.reserved - reserved
            self.reserved = left if left > 1e-12 else 0.0  # rounding must not look like a request under way
            self.spent += cost


class Reservation:
    """The most that one request can cost, set aside until what it did cost is known."""

    def __init__(self, budget: Budget, most: float) -> None:
        budget.reserve(most)
        self._budget, self._most, self._held = budget, most, most

    def pay(self, cost: float) -> None:
        """A try cost so much; what was set aside is free again."""
        self._budget.settle(self._held, cost)
        self._held = 0.0

    def renew(self) -> None:
        """For another try. Raises `BudgetSpent`."""
        if not self._held:
            self._budget.reserve(self._most)
            self._held = self._most

    def release(self) -> None:
        """Nothing more will be asked."""
        self.pay(0.0)
