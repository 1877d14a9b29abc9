"""Horse and greyhound races: model, markets and terms.

What lives here: chances of finishing orders, each-way terms, deductions for non-runners, settlement
rules.
What never does: margins, ladders and skew, which all sports share.
"""
