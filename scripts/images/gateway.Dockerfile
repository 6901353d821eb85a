# A gateway without a mesh: stock Envoy, and the agent's binary to drain it with.
FROM envoyproxy/envoy:distroless-v1.40.0
COPY bin/eastwest-agent /usr/local/bin/eastwest-agent
USER 65532
ENTRYPOINT ["/usr/local/bin/envoy"]
