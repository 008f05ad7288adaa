"""Lets hangups 0.4.18 be imported by Python 3.11 and later, with every file untouched.

ReParser joins patterns of which many begin with (?i). Up to Python 3.10 such a flag in the
middle applied to the whole pattern; later it is an error. Removing the text and setting
IGNORECASE is equivalent (making the flags local is not).
"""
import re
import sys


class _Re:
    """The module re, with a compile that accepts (?i) anywhere."""

    def __getattr__(self, name):
        return getattr(re, name)

    @staticmethod
    def compile(pattern, flags=0):
        if isinstance(pattern, str) and '(?i)' in pattern:
            pattern = pattern.replace('(?i)', '')
            flags |= re.IGNORECASE
        return re.compile(pattern, flags)


if sys.version_info >= (3, 11):
    try:
        import reparser
    except ImportError:  # another program of this interpreter, such as pip
        pass
    else:
        reparser.re = _Re()
