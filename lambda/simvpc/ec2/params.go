package ec2

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tourniquet/lambda/simvpc/world"
)

// params are the parameters of a call, or of one item of a list parameter.
type params struct{ url.Values }

func (p params) str(name string) string { return p.Get(name) }

// check refuses parameters the operation doesn't know, as EC2 does. Known ones
// are given as words; what follows a dot is not looked at.
func (p params) check(known string) error {
	words := append(strings.Fields(known), "Action", "Version", "DryRun")
	for key := range p.Values {
		name, _, _ := strings.Cut(key, ".")
		if !slices.Contains(words, name) && !strings.HasPrefix(name, "X-Amz-") {
			return fail("UnknownParameter", "The parameter %s is not recognized", name)
		}
	}
	return nil
}

// required returns a parameter that must be there.
func (p params) required(name string) (string, error) {
	s := p.str(name)
	if s == "" {
		return "", fail("MissingParameter", "The request must contain the parameter %s", name)
	}
	return s, nil
}

func (p params) boolean(name string, absent bool) (bool, error) {
	switch s := p.str(name); strings.ToLower(s) {
	case "":
		return absent, nil
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	default:
		return false, fail("InvalidParameterValue", "Value (%s) for parameter %s is invalid.", s, name)
	}
}

func (p params) integer(name string) (n int, given bool, err error) {
	s := p.str(name)
	if s == "" {
		return 0, false, nil
	}
	n, err = strconv.Atoi(s)
	if err != nil {
		return 0, true, fail("InvalidParameterValue", "Value (%s) for parameter %s is invalid.", s, name)
	}
	return n, true, nil
}

// list returns the values of Name.1, Name.2, … in order.
func (p params) list(name string) []string {
	var all []string
	for _, i := range p.indices(name) {
		key := name + "." + strconv.Itoa(i)
		if p.Has(key) {
			all = append(all, p.Get(key))
		}
	}
	return all
}

// structs returns the items Name.1.…, Name.2.…, each with its own parameters.
func (p params) structs(name string) []params {
	var all []params
	for _, i := range p.indices(name) {
		prefix := name + "." + strconv.Itoa(i) + "."
		item := params{url.Values{}}
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
func (p params) indices(name string) []int {
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

// has reports whether a parameter, or one below it, is given.
func (p params) has(name string) bool {
	for key := range p.Values {
		if key == name || strings.HasPrefix(key, name+".") {
			return true
		}
	}
	return false
}

// tagsFor reads the tags that TagSpecification gives a resource to be created.
func (p params) tagsFor(resourceType string) (world.Tags, error) {
	tags := world.Tags{}
	for _, spec := range p.structs("TagSpecification") {
		if given := spec.str("ResourceType"); given != resourceType {
			return nil, fail("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", given)
		}
		for _, tag := range spec.structs("Tag") {
			key := tag.str("Key")
			if _, twice := tags[key]; twice {
				return nil, fail("InvalidParameterValue", "Duplicate tag key '%s' specified.", key)
			}
			tags[key] = tag.str("Value")
		}
	}
	if len(tags) == 0 {
		return nil, nil
	}
	return tags, checkTags(nil, tags)
}
