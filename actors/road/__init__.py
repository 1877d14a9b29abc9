"""The road: framed bytes straight from process to process, for what is hot.

Ray says where parts run, starts and finds them, and carries what is rare. A call of Ray costs more
than a millisecond; the same bytes over a Unix socket cost a hundredth of it.
"""
