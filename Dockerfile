# The images of Katkit, one target each: manager, receiver, logstore, agent, builder.
#
# The binaries come from the build context: run `make build` first, which leaves bin/manager, bin/receiver, bin/logstore
# and bin/katkit-agent there, static ones (CGO_ENABLED=0). Then
#   docker build --target agent -t katkit-agent .
#   buildah build --target agent -t katkit-agent .
# BASE_IMAGE may be any Debian with apt, so that a machine without a public registry can bring its own.
ARG BASE_IMAGE=debian:bookworm-slim

# What agent and builder share.
FROM ${BASE_IMAGE} AS git
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates git \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/*

# agent checks a commit out, brings the log to the log store, and is where every builder Pod has the agent from.
FROM git AS agent
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends git-lfs \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/*
COPY bin/katkit-agent /katkit-agent
USER 65532:65532
ENTRYPOINT ["/katkit-agent"]

# manager runs the controllers.
FROM scratch AS manager
COPY --from=git /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY bin/manager /manager
USER 65532:65532
ENTRYPOINT ["/manager"]

# receiver takes GitHub's webhooks. It talks to the API server alone, whose authority it is given.
FROM scratch AS receiver
COPY bin/receiver /receiver
USER 65532:65532
ENTRYPOINT ["/receiver"]

# logstore stores builders' logs and serves them. Buckets of S3, GCS and Azure are reached by TLS.
FROM scratch AS logstore
COPY --from=git /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY bin/logstore /logstore
USER 65532:65532
ENTRYPOINT ["/logstore"]

# builder is the default builder image. buildah makes images in it in a plain Pod: no daemon, no privileges, no device
# and no mount from the host, hence the storage driver that copies and the isolation that only changes the root.
FROM git AS builder
ENV BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends bash buildah curl \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /etc/containers \
 && printf '{"default": [{"type": "insecureAcceptAnything"}]}\n' > /etc/containers/policy.json \
 && printf 'unqualified-search-registries = ["docker.io"]\nshort-name-mode = "permissive"\n' > /etc/containers/registries.conf \
 && printf '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n' > /etc/containers/storage.conf
COPY --from=agent /katkit-agent /katkit-agent
CMD ["bash"]
