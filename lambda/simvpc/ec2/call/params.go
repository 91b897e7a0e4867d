package call

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tourniquet/lambda/simvpc/world"
)

// Params are the parameters of a call, or of one item of a list parameter.
type Params struct{ url.Values }

// Str is a parameter, empty when it is not given.
func (p Params) Str(name string) string { return p.Get(name) }

// check refuses parameters the operation doesn't know, as EC2 does. Known ones
// are given as words; what follows a dot is not looked at.
func (p Params) check(known string) error {
	words := append(strings.Fields(known), "Action", "Version", "DryRun")
	for key := range p.Values {
		name, _, _ := strings.Cut(key, ".")
		if !slices.Contains(words, name) && !strings.HasPrefix(name, "X-Amz-") {
			return Fail("UnknownParameter", "The parameter %s is not recognized", name)
		}
	}
	return nil
}

// Required returns a parameter that must be there.
func (p Params) Required(name string) (string, error) {
	s := p.Str(name)
	if s == "" {
		return "", Fail("MissingParameter", "The request must contain the parameter %s", name)
	}
	return s, nil
}

// Boolean is a parameter that is true or false, or what it is when it is not given.
func (p Params) Boolean(name string, absent bool) (bool, error) {
	switch s := p.Str(name); strings.ToLower(s) {
	case "":
		return absent, nil
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	default:
		return false, Fail("InvalidParameterValue", "Value (%s) for parameter %s is invalid.", s, name)
	}
}

// Integer is a parameter that is a number, and whether it is given.
func (p Params) Integer(name string) (n int, given bool, err error) {
	s := p.Str(name)
	if s == "" {
		return 0, false, nil
	}
	n, err = strconv.Atoi(s)
	if err != nil {
		return 0, true, Fail("InvalidParameterValue", "Value (%s) for parameter %s is invalid.", s, name)
	}
	return n, true, nil
}

// List returns the values of Name.1, Name.2, … in order.
func (p Params) List(name string) []string {
	var all []string
	for _, i := range p.indices(name) {
		key := name + "." + strconv.Itoa(i)
		if p.Has(key) {
			all = append(all, p.Get(key))
		}
	}
	return all
}

// Structs returns the items Name.1.…, Name.2.…, each with its own parameters.
func (p Params) Structs(name string) []Params {
	var all []Params
	for _, i := range p.indices(name) {
		prefix := name + "." + strconv.Itoa(i) + "."
		item := Params{url.Values{}}
		for key, values := range p.Values {
			if field, ok := strings.CutPrefix(key, prefix); ok {
				item.Values[field] = values
			}
		}
		if len(item.Values) > 0 {
			all = append(all, item)
		}
	}
	return all
}

// indices are the indices used by a list parameter, ascending.
func (p Params) indices(name string) []int {
	var all []int
	for key := range p.Values {
		rest, ok := strings.CutPrefix(key, name+".")
		if !ok {
			continue
		}
		digits, _, _ := strings.Cut(rest, ".")
		if i, err := strconv.Atoi(digits); err == nil {
			all = append(all, i)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Has reports whether a parameter, or one below it, is given.
func (p Params) Has(name string) bool {
	for key := range p.Values {
		if key == name || strings.HasPrefix(key, name+".") {
			return true
		}
	}
	return false
}

// TagsFor reads the tags that TagSpecification gives a resource to be created.
func (p Params) TagsFor(resourceType string) (world.Tags, error) {
	tags := world.Tags{}
	for _, spec := range p.Structs("TagSpecification") {
		if given := spec.Str("ResourceType"); given != resourceType {
			return nil, Fail("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", given)
		}
		for _, tag := range spec.Structs("Tag") {
			key := tag.Str("Key")
			if _, twice := tags[key]; twice {
				return nil, Fail("InvalidParameterValue", "Duplicate tag key '%s' specified.", key)
			}
			tags[key] = tag.Str("Value")
		}
	}
	if len(tags) == 0 {
		return nil, nil
	}
	return tags, CheckTags(nil, tags)
}

// Ports reads the two parameters that hold a protocol's ports, or its ICMP type and code.
func (p Params) Ports(proto world.Protocol, first, second string) (world.Ports, error) {
	from, hasFrom, err := p.Integer(first)
	if err != nil {
		return world.Ports{}, err
	}
	to, hasTo, err := p.Integer(second)
	if err != nil {
		return world.Ports{}, err
	}
	if !hasFrom || !hasTo {
		return world.Ports{}, Fail("MissingParameter", "The request must contain the parameters %s and %s", first, second)
	}
	ports := world.Ports{From: from, To: to}
	if err := ports.Check(proto); err != nil {
		return world.Ports{}, Fail("InvalidParameterValue", "Invalid value for portRange: %s", err)
	}
	return ports, nil
}
