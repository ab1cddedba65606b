"""Tells voices apart: embeds the turns of a recording and weighs which names the turns can bear together."""
