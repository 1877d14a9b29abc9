"""Market keys of related markets, for searches over them."""

RESULT_MARKETS = (
    "m/1x2", "m/double_chance", "m/draw_no_bet", "m/home_no_bet", "m/away_no_bet",
    "m/handicap?hcp=0", "m/handicap?hcp=-0.5", "m/handicap?hcp=0.5", "m/handicap?hcp=-0.25",
    "m/handicap?hcp=0.25",
)  # fmt: skip
"""Markets that the result alone settles."""
