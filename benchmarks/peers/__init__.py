"""Lookout beside what a user would pick instead: same images, same network, same answer, one run on one machine.

    make bench                        all of it
    make bench ONLY="local start"     some parts
    python -m peers page              docs/performance.md again, from the newest results

``contenders`` says who takes part, ``servers/`` has their programs, each made as its own documentation has it;
``client`` asks them, ``rounds`` takes turns, ``goals`` reads what came of it, and ``page`` tells.
"""
