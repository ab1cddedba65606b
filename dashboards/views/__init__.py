"""One file per page, run by Streamlit as a script; :mod:`dashboards.app` lists them."""
