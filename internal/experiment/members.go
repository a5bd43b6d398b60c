package experiment

import "slices"

// peersOf gives the processes of a group but for the one whose template it is.
func (c *calls) peersOf(group string) ([]member, error) {
	if !c.named {
		return nil, &textError{"template: who is there is not known before all processes have names", ""}
	}
	processes, err := c.members(group)
	if err != nil {
		return nil, err
	}
	if err := c.steps(len(processes)/listed + 1); err != nil {
		return nil, err
	}
	var peers []member
	for _, p := range processes {
		if p != c.self {
			peers = append(peers, c.processValue(p))
		}
	}
	return peers, nil
}

func (c *calls) processValue(p *placed) member {
	m := member{"name": p.Name, "group": p.Group, "index": p.Index, "rank": p.Rank, "local": p.Local, "host": p.Host, "address": c.file.address(p.host)}
	c.file.addVariables(m, p.Host)
	return m
}

// others gives a list without the entry of the process whose template it is: a list of
// hosts without the one it runs on.
func (c *calls) others(list any) (any, error) {
	switch list := list.(type) {
	case []member:
		return slices.DeleteFunc(slices.Clone(list), func(m member) bool { return c.self != nil && c.isSelf(m) }), nil
	case []string:
		group, known := c.groupOf(list)
		if !known {
			break
		}
		if c.self == nil || c.self.Group != group || c.self.Index >= len(list) {
			return list, nil
		}
		return slices.Delete(slices.Clone(list), c.self.Index, c.self.Index+1), nil
	}
	return nil, &textError{"template: others takes a whole list of hosts, addresses, endpoints or peers", `such as others (endpoints "server" 7000)`}
}

// isSelf reports whether m is the process whose template it is, or its host.
func (c *calls) isSelf(m member) bool {
	if _, process := m["index"]; process {
		return m["name"] == c.self.Name && m["host"] == c.self.Host
	}
	return m["name"] == c.self.Host
}

// on is where the template of a command is executed that is not a process.
func on(host string) *placed { return &placed{Command: Command{Host: host}} }

// remember keeps of which group's processes a list tells.
func (c *calls) remember(list []string, group string) {
	if len(list) == 0 {
		return
	}
	if c.lists == nil {
		c.lists = make(map[*string]string)
	}
	c.lists[&list[0]] = group
}

// groupOf tells of which group's processes a list is. An empty one is of any.
func (c *calls) groupOf(list []string) (string, bool) {
	if len(list) == 0 {
		return "", true
	}
	group, known := c.lists[&list[0]]
	return group, known && len(list) == len(c.membersOf(group))
}

func (c *calls) membersOf(group string) []*placed {
	members, _ := c.members(group) // the group is there: it has been asked for before
	return members
}
