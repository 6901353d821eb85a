# The discovery agent: one static binary. Build it with scripts/images/build.
FROM scratch
COPY bin/eastwest-agent /usr/local/bin/eastwest-agent
USER 65532
ENTRYPOINT ["/usr/local/bin/eastwest-agent"]
