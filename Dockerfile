# docker build -t lstm-tracker .
# docker run --rm --read-only --tmpfs /tmp -v "$PWD:/data" -u "$(id -u)" lstm-tracker video.mp4
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY configs configs
COPY tracker tracker
# The CPU build of PyTorch: a tenth of the size of the one for CUDA.
RUN python -m venv /opt/tracker \
    && /opt/tracker/bin/pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu '.[openvino,site,publish]' \
    && /opt/tracker/bin/pip uninstall --yes opencv-python \
    && /opt/tracker/bin/pip install --no-cache-dir --force-reinstall --no-deps opencv-python-headless

FROM python:3.12-slim
COPY --from=build /opt/tracker /opt/tracker
RUN useradd --create-home --uid 1000 tracker
# What is written lies in /data (results) and /tmp (everything else), so that the root can be read-only.
ENV PATH=/opt/tracker/bin:$PATH \
    HOME=/tmp \
    XDG_CACHE_HOME=/tmp/cache \
    YOLO_CONFIG_DIR=/tmp \
    MPLCONFIGDIR=/tmp \
    PYTHONDONTWRITEBYTECODE=1
USER 1000
WORKDIR /data
ENTRYPOINT ["track"]
CMD ["--help"]
