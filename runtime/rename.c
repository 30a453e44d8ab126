/* Names of a file as a model spells them: the rules of --rename. Takes OLD=NEW and a name; returns the new one. Names
   are parts with dots between them (and a slash before what an optimizer keeps); only whole parts are replaced, so that
   a rule for conv1 leaves conv10 alone. */
#include "runtime/io.h"

#include <stdlib.h>
#include <string.h>

/* Dots at the ends say nothing: parts are whole anyway. */
static void trim_dots(const char **text, int *length) {
  while (*length > 0 && **text == '.') (*text)++, (*length)--;
  while (*length > 0 && (*text)[*length - 1] == '.') (*length)--;
}

bool rename_rule_read(const char **at, RenameRule *rule, Problem *problem) {
  int length = (int)strcspn(*at, ","), equals = (int)strcspn(*at, "=");
  *rule = (RenameRule){.old = *at, .old_length = equals, .put = *at + equals + 1, .put_length = length - equals - 1};
  bool fine = equals < length && length > 1 && !memchr(rule->put, '=', (size_t)rule->put_length);
  if (!fine)
    return problem_set(problem, "--rename expects OLD=NEW,… as in 'module.=,conv1=Conv_1', found \"%.*s\"", length,
                       *at);
  trim_dots(&rule->old, &rule->old_length);
  trim_dots(&rule->put, &rule->put_length);
  *at += length + ((*at)[length] == ',');
  return rule->old_length + rule->put_length > 0 ||
         problem_set(problem, "--rename: \"%.*s\" renames nothing to nothing", length, *at - length);
}

static bool at_border(const char *name, const char *at) { return at == name || at[-1] == '.' || at[-1] == '/'; }
static bool part_ends(char next) { return next == 0 || next == '.' || next == '/'; }

/* Where the rule's parts stand in a name, or NULL. */
static const char *rule_find(const RenameRule *rule, const char *name, const char *from) {
  for (; *from; from++)
    if (at_border(name, from) && strncmp(from, rule->old, (size_t)rule->old_length) == 0 &&
        part_ends(from[rule->old_length]))
      return from;
  return NULL;
}

char *rename_rule_apply(const RenameRule *rule, const char *name, bool *found) {
  if (rule->old_length == 0) {
    *found = true;
    return text_format("%.*s.%s", rule->put_length, rule->put, name);
  }
  Lines lines = {0};
  const char *rest = name, *at;
  while ((at = rule_find(rule, name, rest))) {
    *found = true;
    lines_add(&lines, text_format("%.*s%.*s", (int)(at - rest), rest, rule->put_length, rule->put));
    rest = at + rule->old_length;
    /* what is left out takes a dot with it: the one behind, or at the end the one before */
    if (rule->put_length == 0 && *rest == '.') rest++;
    else if (rule->put_length == 0 && lines.length && lines.text[lines.length - 1] == '.')
      lines.text[--lines.length] = 0;
  }
  lines_add(&lines, text_format("%s", rest));
  if (!lines.failed) return lines.text;
  free(lines.text);
  return NULL;
}
