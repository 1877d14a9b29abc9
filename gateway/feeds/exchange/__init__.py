"""An exchange's market stream.

What lives here: typed messages, order books, fair prices, results, the subscription and its socket.
What never does: orders sent to the exchange.
"""
