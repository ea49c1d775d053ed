"""The documentation as a site: ``python -m docs.site FOLDER`` builds it, warnings being errors.

The pages of docs/ are read as they are; what the code knows (calls, commands, routes, errors) is
written out here, when the site is built, so that it cannot say anything else than the code.
"""
