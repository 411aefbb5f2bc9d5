package repl

import (
	"strings"
	"testing"
)

func TestComplete(t *testing.T) {
	s := newSession(t)
	s.must(seed + "\nlet post = Post.first(); let own = {alpha: 1, beta: {gamma: 2}}; let some = Post.where({}); let many = [post]")
	for _, test := range []struct{ text, want string }{
		{"Po", "Post"},
		{"con", "connections console"},
		{"pos", "post"},
		{"1 + Us", "User"},
		{"Post.cr", "create"},
		{"Post.", "create find first last all count where asc desc limit offset pluck update delete map filter forEach reduce some every flatMap slice at indexOf join"},
		{"Post.where({a: 1}).d", "desc"},
		{"Post.where({a: [1, (2)]}).desc(\"x\").fi", "first filter"},
		{"Post.first().ti", "title"},
		{"Post.first()?.up", "updatedAt update"},
		{"Post.where({})[0].re", "reload"},
		{"post.au", "authorId"},
		{"post.title.toUpp", "toUpperCase"},
		{"some.len", "length"},
		{"many[0].ti", "title"},
		{"own.", "alpha beta"},
		{"own.beta.g", "gamma"},
		{"Post.create({ti", "title: "},
		{"Post.create({title: 'x', pub", "published: "},
		{"Post.create([{title: 'x'}, {bo", "body: "},
		{"Post.update(post.id, {li", "likes: "},
		{"post.update({li", "likes: "},
		{"some.where({tit", "title: "},
		{"Post.where({likes: {g", "gt:  gte: "},
		{"Post.where({likes: {gte: 3, l", "lt:  lte: "},
		{"Post.where({title: {con", "contains: "},
		{"Post.where({published: ", "true false"},
		{"Post.where({published: {not: t", "true"},
		{"Post.where({or: [{likes: 1}, {publ", "published: "},
		{"Post.where({not: {tags: {", "contains:  exists: "},
		{"Post.where({o", "or: "},
		{"Post.create({o", ""},
		{"Post.create({published: f", "false"},
		{"User.find(\"01JBXYZ", "01JBXYZ0000000000000000002 01JBXYZ0000000000000000001"},
		{"User.find(\"ad", "01JBXYZ0000000000000000001"},
		{"User.delete(\"0002", "01JBXYZ0000000000000000002"},
		{"Post.create({title: 'x', authorId: \"bo", "01JBXYZ0000000000000000002"},
		{"Post.where({authorId: {is: \"bo", "01JBXYZ0000000000000000002"},
		{"Post.where({id: \"thre", "01JBXYZ0000000000000000005"},
		{"Post.create({title: \"bo", ""},
		{"why(post, \"posts.", "posts.all"},
		{"as(User.first()).", "posts"},
		{"as(User.first()).posts.c", "create"},
		{"Post.desc(\"cre", "createdAt"},
		{"Post.pluck('title', 'li", "likes"},
		{"User.where({na", "name: "},
		{"print(Post.fi", "find first filter"},
		{"'Po", ""},
		{"// Po", ""},
		{"`Po", ""},
		{"`${Po", "Post"},
		{"nothing.x", ""},
		{"(1).toF", ""},
		{"\"a\".toL", "toLocaleLowerCase toLocaleUpperCase toLowerCase toLocaleString"},
		{"po", "post"},
		{"POST", "Post post"},
	} {
		found := s.e.complete(test.text)
		got := strings.Join(found.items, " ")
		if test.text == "own." { // and what every object has
			got = strings.Join(found.items[:2], " ")
		}
		if got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.text, got, test.want)
		}
		for _, item := range found.items {
			if found.notes != nil {
				break // they need not begin with what was typed
			}
			if typed := test.text[found.start:]; !strings.EqualFold(item[:len(typed)], typed) {
				t.Errorf("%s: %s does not go on with %s", test.text, item, typed)
			}
		}
	}
}

func TestCompleteIsNotHeldUp(t *testing.T) {
	s := newSession(t)
	s.must(`let o = {get slow() { while (true) {} }, get bad() { throw 1 }, fine: 1}; 0`)
	for text, want := range map[string]string{"o.slow.x": "", "o.bad.x": "", "o.fi": "fine"} {
		if got := strings.Join(s.e.completeSoon(t.Context(), text).items, " "); got != want {
			t.Errorf("%s: got %s", text, got)
		}
	}
	if got := s.must(`o.fine`); got != "1" {
		t.Errorf("afterwards: %s", got)
	}
}
