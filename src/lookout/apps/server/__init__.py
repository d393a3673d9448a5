"""The local execution: a web server over one network.

``running`` (processes) > ``connections``, ``door`` (who is let in, and when) > ``app`` (Flask: errors) > the routes
(``detection``, ``uploads``, ``status``) > ``service`` (what they work with) > ``config``.
"""
