# One image for every role; what it runs is chosen by its arguments.
ARG PYTHON=docker.io/library/python:3.13-slim

FROM ${PYTHON} AS build
WORKDIR /build
RUN python3 -m venv /opt/venv
COPY requirements/service.lock requirements/
RUN --mount=type=cache,target=/tmp/pip \
    /opt/venv/bin/python -m pip install --cache-dir /tmp/pip --disable-pip-version-check --require-hashes --no-deps -r requirements/service.lock
COPY pyproject.toml README.md LICENSE ./
COPY softbounce softbounce
COPY config config
COPY scheduler scheduler
COPY worker worker
COPY gateway gateway
COPY playground playground
RUN /opt/venv/bin/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation .

FROM ${PYTHON}
# A new named volume on /data takes over this folder's owner.
RUN groupadd --system --gid 10001 softbounce \
    && useradd --system --uid 10001 --gid 10001 --no-create-home softbounce \
    && install -d -o softbounce -g softbounce -m 0700 /data
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER 10001:10001
ENTRYPOINT ["softbounce"]
CMD ["up"]
