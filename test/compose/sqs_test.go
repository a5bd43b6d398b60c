//go:build compose && linux

package compose

import "testing"

// emulatorScript makes the context of an image with the emulator that
// scripts/install-deps has installed. It is what deploy/sqs builds where a
// registry of packages can be reached from a container.
const emulatorScript = `
set -e
mkdir "$0"
cp -r "${XDG_CACHE_HOME:-$HOME/.cache}"/downbeat/fauxqs-*/node_modules "$0"
cp -L "$(PATH="$0/node_modules/node/bin:$PATH" command -v node)" "$0/node"
cat >"$0/Dockerfile" <<'END'
FROM debian:bookworm-slim
COPY node /usr/local/bin/
COPY node_modules /opt/node_modules
CMD ["node", "/opt/node_modules/fauxqs/dist/cli.js"]
END
docker build --tag downbeat-sqs "$0"
rm -r "$0"
`

// sqsServes: with the profile sqs, the same sample goes over the emulator.
func sqsServes(t *testing.T, c *cluster) {
	if err := docker.run(t.Context(), "sh", "-c", emulatorScript, docker.dir+"/emulator"); err != nil {
		t.Fatal(err)
	}
	c.up(t)
	succeeds(t, c, "sample.json")
}
