# LEAN's own image with the LEAN side of the plugin in it: nothing has to be vendored into a project.
#   docker build -f deployments/images/lean.Dockerfile -t lean-llm-lean:local .
#   LEAN_LLM_LEAN_IMAGE=lean-llm-lean:local lean-llm backtest PROJECT --engine docker --set validator.mode=service
ARG LEAN_IMAGE=quantconnect/lean:latest
FROM ${LEAN_IMAGE}

# The package itself needs numpy and pandas only, and LEAN's image has both: nothing is installed, LEAN's versions stay.
COPY llm_plugin /opt/lean-llm/llm_plugin
ENV PYTHONPATH=/opt/lean-llm
RUN python -c "import sys, llm_plugin.lean as lean; assert sys.version_info >= (3, 11); print(lean.__name__)"
