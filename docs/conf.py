"""How Sphinx makes the site: `make docs`.

Its source is the whole checkout, so that a link from one page to another, to the chart's README or
to a file of the code is the same link on the site as where the Markdown itself is read.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

project = "Energy predictor"
language = "en"
root_doc = "docs/index"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/**.md",
    "charts/energy-predictor/README.md",
    "manifests/prerequisites/README.md",
    "predictor/training/data/README.md",
    "tests/docs/clouds/schemas/README.md",
]
exclude_patterns = [".*", "bundle", "dist", "site"]  # what is made is not looked through

# Every reference has to lead somewhere; the build makes errors of warnings.
nitpicky = True
nitpick_ignore_regex = [("py:class", ".*")]  # but types: Python's own have no page here
myst_heading_anchors = 3

html_theme = "furo"
html_title = project
html_extra_path = ["_site"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
smartquotes = False  # two hyphens begin an option

autodoc_typehints = "description"
autodoc_mock_imports = ["kubernetes", "numpy", "onnxruntime", "urllib3", "yaml"]
# JSON in quotes over several lines is right for a shell, and none of the lexers for one takes it.
suppress_warnings = ["misc.highlighting_failure"]
