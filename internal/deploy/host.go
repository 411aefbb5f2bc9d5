package deploy

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// A host is what there is on it.
type host struct {
	arch              string
	disk, memory      int64 // free, in bytes
	data              int64 // bytes of the store's folder
	current, previous string
	running, unit     bool
	releases          map[string]bool // that are complete, by their names, which end in their sums
}

const looking = `at=$folder; while [ ! -d "$at" ]; do at=$(dirname "$at"); done
echo "os $(uname -s)"; echo "arch $(uname -m)"
[ -w "$at" ] || echo "closed $at"
echo "disk $(df -Pk "$at" | awk 'NR==2 {print $4}')"
echo "memory $(awk '/^MemAvailable/ {print $2}' /proc/meminfo)"
if [ -d /run/systemd/system ] && [ -f "/etc/systemd/system/$name.service" ]; then echo "unit yes"; fi
cd "$folder" 2>/dev/null || exit 0
[ ! -d db ] || echo "data $(du -sk db | awk '{print $1}')"
echo "current $(basename "$(readlink current)" 2>/dev/null)"
echo "previous $(basename "$(readlink previous)" 2>/dev/null)"
if [ -x "current/$name" ] && TOWER_DEPLOY=status TOWER_FOLDER=$PWD "current/$name" >/dev/null 2>&1; then echo "running yes"; fi
for file in releases/*/"$name"; do [ ! -f "$file" ] || echo "release $(basename "$(dirname "$file")")"; done`

func (o *Options) look(ctx context.Context) (*host, error) {
	text, err := o.run(ctx, nil, fmt.Sprintf("folder=%s; name=%s\n", quote(o.Folder), quote(o.Name))+looking)
	if err != nil {
		return nil, err
	}
	h := &host{releases: map[string]bool{}}
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "os":
			if rest != "Linux" {
				return nil, fmt.Errorf("%s runs %s; tower deploy knows Linux", o.Host, printable(rest))
			}
		case "arch":
			h.arch = map[string]string{"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "riscv64": "riscv64"}[rest]
			if h.arch == "" {
				return nil, fmt.Errorf("%s has a processor %s, which is not known", o.Host, printable(rest))
			}
		case "closed":
			return nil, fmt.Errorf("this user must not write to %s on %s", printable(rest), o.Host)
		case "disk":
			h.disk = kilobytes(rest)
		case "memory":
			h.memory = kilobytes(rest)
		case "data":
			h.data = kilobytes(rest)
		case "current":
			h.current = rest
		case "previous":
			h.previous = rest
		case "running":
			h.running = true
		case "unit":
			h.unit = true
		case "release":
			h.releases[rest] = true
		}
	}
	if h.arch == "" {
		return nil, fmt.Errorf("%s did not say what it is: does this user have a shell there?", o.Host)
	}
	return h, nil
}

func kilobytes(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64) // 0: the host did not say
	return n << 10
}

// room returns an error if the host has no room for a release beside what it has. A migration
// writes all records a second time.
func (h *host) room(r *release) error {
	if need := 2*r.size + h.data + 64<<20; h.disk < need {
		return fmt.Errorf("the disk of the host has %d MB free, and %d MB are needed: for the release, a migration, and the log", h.disk>>20, need>>20)
	}
	if need := r.size + 64<<20; h.memory < need {
		return fmt.Errorf("the host has %d MB of memory free, and %d MB are needed: two releases run beside each other for a moment", h.memory>>20, need>>20)
	}
	return nil
}
