# The server, from its wheel: docker build -t chachaml .
# For several kinds of machines: docker buildx build --platform linux/amd64,linux/arm64 -t chachaml .
ARG PYTHON=3.14-slim

FROM python:${PYTHON} AS build
ARG EXTRAS=agents,alerts,otel,postgres,s3,system
WORKDIR /build
COPY constraints.txt LICENSE pyproject.toml README.md ./
COPY src src
# Wheels alone, so that nothing is compiled, and the same is installed on every kind of machine.
RUN pip wheel --no-cache-dir --no-deps --wheel-dir dist . \
    && python -m venv --without-pip /opt/chachaml \
    && pip --python /opt/chachaml/bin/python install --no-cache-dir --only-binary :all: \
        --constraint constraints.txt "$(ls dist/*.whl)[${EXTRAS}]"

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="chachaml" \
      org.opencontainers.image.description="Experiment tracking and light MLOps for Python: the server" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/chachaml /opt/chachaml
RUN install --directory --owner=10001 --group=10001 --mode=0700 /data
# Its home is the volume: the rest of the file system may be read-only.
ENV PATH=/opt/chachaml/bin:$PATH \
    HOME=/data \
    PORT=8080 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /data
VOLUME /data
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", "import os, urllib.request as web; web.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/readyz', timeout=4)"]
ENTRYPOINT ["chachaml"]
CMD ["serve", "--host", "0.0.0.0"]
