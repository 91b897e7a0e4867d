package guardduty

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Security Hub carries GuardDuty's "service" object as flat fields, all strings:
//
//	aws/guardduty/service/action/networkConnectionAction/protocol: "TCP"
//	aws/guardduty/service/action/portProbeAction/portProbeDetails:0/localPortDetails/port: "22"
//
// Findings write an element of a list as "name:0" or as "name.0_".
// https://docs.aws.amazon.com/guardduty/latest/ug/securityhub-integration.html
const flatService = "aws/guardduty/service/"

// flatDepth bounds how deep a flat field can reach. GuardDuty's reach 8.
const flatDepth = 16

// branch is a node of the object that flat fields describe: a leaf, an object,
// or a list. A node that is described as several is the last of them.
type branch struct {
	leaf    scalar
	members map[string]*branch
	items   map[int]*branch
}

// unflatten rebuilds the service object from the product fields, of which a finding
// has 50 at most. It is not whole when the product fields can't be read to their end.
// https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_AwsSecurityFinding.html
func unflatten(productFields json.RawMessage) (service wireService, whole bool) {
	fields, whole := flatFields(productFields, func(key string) bool {
		return strings.HasPrefix(key, flatService) && strings.Count(key, "/") < flatDepth
	})
	root := new(branch)
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		path := strings.TrimPrefix(key, flatService)
		root.grow(strings.Split(path, "/")).leaf = fields[key]
	}
	b, err := json.Marshal(root)
	if err != nil { // strings and containers always marshal
		return wireService{}, false
	}
	service, _ = decode[wireService](b)
	return service, whole
}

// inspectFlat adds what could not be read of a service object that was flat.
func (n *notes) inspectFlat(service *wireService) {
	var own notes
	own.inspect("", service)
	n.addFlat(own)
}

// addFlat adds paths inside the service object as the keys of product fields.
func (n *notes) addFlat(more notes) {
	flat := strings.NewReplacer(".", "/", "[", ":", "]", "")
	for _, path := range more.paths {
		n.add("ProductFields." + flatService + flat.Replace(path))
	}
	n.more += more.more
}

// grow returns the node at the end of a path, making what is missing.
func (b *branch) grow(path []string) *branch {
	for _, step := range path {
		name, index, inList := splitStep(step)
		b = child(&b.members, name)
		if inList {
			b = child(&b.items, index)
		}
	}
	return b
}

func child[K comparable](of *map[K]*branch, key K) *branch {
	if *of == nil {
		*of = make(map[K]*branch)
	}
	if (*of)[key] == nil {
		(*of)[key] = new(branch)
	}
	return (*of)[key]
}

// splitStep splits "name:0" and "name.0_".
func splitStep(step string) (name string, index int, inList bool) {
	at := strings.LastIndexAny(step, ":.")
	if at <= 0 {
		return step, 0, false
	}
	index, err := strconv.Atoi(strings.TrimSuffix(step[at+1:], "_"))
	if err != nil || index < 0 {
		return step, 0, false
	}
	return step[:at], index, true
}

// MarshalJSON writes the object that the fields describe.
func (b *branch) MarshalJSON() ([]byte, error) {
	switch {
	case b.items != nil:
		var in []*branch
		for _, i := range slices.Sorted(maps.Keys(b.items)) {
			in = append(in, b.items[i])
		}
		return json.Marshal(in)
	case b.members != nil:
		return json.Marshal(b.members)
	case b.leaf.unreadable():
		return []byte("[]"), nil // as unreadable as what was flat
	default:
		return json.Marshal(b.leaf.s)
	}
}
