"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# A first import inside a test, or a busy machine, is no failure.
settings.register_profile("gptmill", deadline=None)
settings.load_profile("gptmill")
