"""The traders' console: pages in a browser, served by a process of its own.

What lives here: the process, its logins, the model that its screens share, and its pages. It is a
client of the control listener like any other; when it dies nothing else notices.
What never does: a rule of the book, a permission, or state that anything else depends on. Only this
folder imports NiceGUI, and only its process does.
"""
