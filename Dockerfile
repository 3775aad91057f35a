ARG BASE_IMAGE=python:3.11-slim

# Trains the bundle. Only what training reads is copied, so a change of serving code leaves this
# stage, the slowest, in the cache. It runs on the platform that builds: a bundle is data, and images
# for several platforms get the same one.
FROM --platform=$BUILDPLATFORM ${BASE_IMAGE} AS train
# LightGBM's wheel takes OpenMP from the system.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv --without-pip /opt/venv
COPY requirements/train.txt /src/requirements/
RUN python3 -m pip --python /opt/venv/bin/python install --no-cache-dir --no-compile \
    --require-hashes --requirement /src/requirements/train.txt
WORKDIR /src
COPY predictor/*.py predictor/
COPY predictor/cli predictor/cli
COPY predictor/training predictor/training
RUN /opt/venv/bin/python -m predictor train --output /bundle

# Serving's libraries: no pip, no training library, and nothing that no server runs.
FROM ${BASE_IMAGE} AS libraries
# It has the strip of slim.py.
RUN apt-get update && apt-get install --yes --no-install-recommends binutils \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv --without-pip /opt/venv
COPY requirements/serve.txt requirements/slim.py /src/requirements/
RUN python3 -m pip --python /opt/venv/bin/python install --no-cache-dir --no-compile \
    --require-hashes --requirement /src/requirements/serve.txt \
    && python3 /src/requirements/slim.py /opt/venv/lib/python3*/site-packages \
    && /opt/venv/bin/python -c "import cryptography.x509, grpc, httptools, numpy, onnxruntime, uvloop" \
    && python3 -m compileall -q -j 0 /opt/venv/lib

# Scoring's libraries. STORE names fsspec's driver of the object store that files are in: s3fs, which is locked,
# or another such as gcsfs or adlfs, which is not.
FROM ${BASE_IMAGE} AS batch-libraries
ARG STORE=""
RUN python3 -m venv --without-pip /opt/venv
COPY requirements/score.txt requirements/s3fs.txt /src/requirements/
RUN python3 -m pip --python /opt/venv/bin/python install --no-cache-dir --no-compile \
    --require-hashes --requirement /src/requirements/score.txt \
    && store="/src/requirements/${STORE}.txt" \
    && if [ ! -f "${store}" ]; then echo "${STORE}" >"${store}"; fi \
    && python3 -m pip --python /opt/venv/bin/python install --no-cache-dir --no-compile \
    --requirement "${store}" \
    && python3 -m compileall -q -j 0 /opt/venv/lib

# What a Job runs: `docker build --target batch`. It serves nothing, as the server scores no files, so
# neither holds the other's libraries.
FROM ${BASE_IMAGE} AS batch
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=batch-libraries /opt/venv /opt/venv
COPY --from=train /bundle /bundle
COPY predictor/*.py /app/predictor/
COPY predictor/cli /app/predictor/cli
COPY predictor/scoring /app/predictor/scoring
RUN python -m compileall -q /app
USER 10001:10001
ENTRYPOINT ["python", "-m", "predictor"]
CMD ["score", "--help"]
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="energy-predictor-batch" \
    org.opencontainers.image.description="Score files with a tabular boosting ensemble, as one ONNX graph" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"

FROM ${BASE_IMAGE}
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    BUNDLE=/bundle EMBEDDED_BUNDLE=/bundle LISTEN_HOST=0.0.0.0 PORT=8080 GRPC_PORT=8081
COPY --from=libraries /opt/venv /opt/venv
COPY --from=train /bundle /bundle
COPY predictor/*.py /app/predictor/
COPY predictor/cli /app/predictor/cli
COPY predictor/serving /app/predictor/serving
RUN python -m compileall -q /app
USER 10001:10001
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", \
    "import http.client, os, sys; \
    server = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT'])); \
    server.request('GET', '/v2/health/ready'); \
    sys.exit(server.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "predictor"]
CMD ["serve"]

# Whoever builds says of what: `--build-arg VERSION=… --build-arg REVISION=…`. This comes last and
# makes no layer, so that a new revision leaves every layer as it was. There is no `created`, which
# would make another image of the same source each time; builders write a time of their own, and
# SOURCE_DATE_EPOCH sets it. There is no `source`: where it is published is for the publisher to say.
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="energy-predictor" \
    org.opencontainers.image.description="Serve a tabular boosting ensemble on Kubernetes, as one ONNX graph behind KServe" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
