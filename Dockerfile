# shipper, with the example backend that docker-compose.yml runs beside it. Builds for linux/amd64 and linux/arm64.

FROM python:3.11.16-slim-bookworm@sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84 AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock requirements-build.lock ./
# Wheels only: there is no compiler here either.
RUN pip install --require-hashes --only-binary :all: -r requirements-build.lock \
    && python -m venv --without-pip /opt/shipper \
    && pip --python /opt/shipper/bin/python install --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md ./
COPY shipper shipper
COPY pipelines pipelines
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/shipper/bin/python install --no-index --no-deps /wheels/*.whl

FROM python:3.11.16-slim-bookworm@sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84
# A new volume takes its owner from these folders. The log folder and the S3 folder are for the compose file.
RUN pip uninstall --yes --root-user-action=ignore pip setuptools wheel \
    && groupadd --gid 10001 shipper \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/shipper --shell /usr/sbin/nologin shipper \
    && install --directory --owner=shipper --group=shipper --mode=0700 /var/lib/shipper /var/lib/s3 \
    && install --directory --owner=shipper --group=shipper --mode=0755 /var/log/supervisor
COPY --from=build /opt/shipper /opt/shipper
ENV PATH=/opt/shipper/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SHIPPER_DATA=/var/lib/shipper
# A folder `pipelines` that is mounted here takes the place of the one that ships.
WORKDIR /etc/shipper
USER 10001:10001
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s \
    CMD ["sh", "-c", "shipper status --format json | grep -q '\"running\":\"shipper'"]
ENTRYPOINT ["shipper"]
CMD ["run"]
