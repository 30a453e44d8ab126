/* Trainers that were built before: `ganc run` finds them again.
   Takes a compilation whose text is read and whose target is known; returns a path named by all that decides what a trainer does. Never reads a trainer. */
#include "compiler/compiler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Two FNV-1a sums of 64 bits with different starts: a key of 128. Each piece is followed by its end, so that pieces cannot run together. */
typedef struct Key { uint64_t first, second; } Key;

static void key_add(Key *key, const char *text, size_t length) {
  for (size_t at = 0; at <= length; at++) {                /* the terminating 0 too */
    key->first = (key->first ^ (unsigned char)text[at]) * 1099511628211u;
    key->second = (key->second ^ (unsigned char)text[at]) * 1099511628211u;
    key->second ^= key->second >> 29;
  }
}

static void key_add_text(Key *key, const char *text) { key_add(key, text, strlen(text)); }

static const char *cache_folder(Session *session) {
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  if (cache && *cache) return session_format(session, "%s/ganc", cache);
  if (home && *home) return session_format(session, "%s/.cache/ganc", home);
  return "/tmp/ganc-cache";
}

/* Makes the folder and those above it. */
static bool folder_make(Session *session, const char *path) {
  for (const char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
    const char *part = slash ? session_intern(session, path, (size_t)(slash - path)) : path;
    if (mkdir(part, 0777) != 0 && errno != EEXIST) {
      diagnostic_title(diagnostic_report(session, E5006, (Span){ 0 }, NULL), "cannot make the folder %s: %s", part, strerror(errno));
      return false;
    }
    if (!slash) return true;
  }
}

const char *cache_path(Compilation *compilation) {
  const Options *options = compilation->options;
  Session *session = compilation->session;
  const Machine *machine = target_machine(compilation->target);
  Key key = { 14695981039346656037u, 0x9e3779b97f4a7c15u };
  key_add_text(&key, build_identity(session));             /* covers the standard library and the runtime: ganc carries them */
  key_add_text(&key, compilation->source->path);
  key_add(&key, compilation->source->text, compilation->source->length);
  key_add_text(&key, options->real == REGISTER_F64 ? "f64" : "f32");
  key_add_text(&key, options->feeds ? "feeds" : "");
  key_add_text(&key, options->no_diagnose ? "no-diagnose" : "");
  key_add_text(&key, options->trace ? "trace" : "");
  key_add_text(&key, machine->name);
  key_add_text(&key, machine->features);
  for (int at = 0; at < options->setting_count; at++) key_add_text(&key, options->settings[at]);
  const char *folder = cache_folder(session), *slash = strrchr(compilation->source->path, '/');
  const char *name = slash ? slash + 1 : compilation->source->path;
  size_t length = strcspn(name, ".");
  if (!folder_make(session, folder)) return NULL;
  return session_format(session, "%s/%.*s-%016llx%016llx", folder, (int)length, name, (unsigned long long)key.first, (unsigned long long)key.second);
}
