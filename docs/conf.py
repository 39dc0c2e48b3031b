"""The site made of these pages: `make docs`, then open dist/docs/index.html."""

project = "fsm_twisted"
author = "the authors of fsm_twisted"
project_copyright = author
extensions = ["myst_parser"]
myst_heading_anchors = 3
# Manifests and outputs are shown as they are; not each of them is one language's.
highlight_language = "text"
suppress_warnings = ["misc.highlighting_failure"]
html_theme = "furo"
html_title = "fsm_twisted"
html_copy_source = False
html_show_sphinx = False
